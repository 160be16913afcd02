//! A file of the operations of AWS that each function was seen to call, for whoever compares them with what its role allows.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

/// Appends a line, `<function> <service>.<operation>`, the first time that a function calls an operation. Stacks may share
/// the file: a line is one write to its end.
pub(crate) struct CallLog {
    file: File,
    seen: BTreeSet<String>,
}

impl CallLog {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: File::options().create(true).append(true).open(path)?, seen: BTreeSet::new() })
    }

    /// Takes the counts of an invocation. Those of operations have a dot in their names; the others are units.
    pub(crate) fn add(&mut self, function: &str, counts: &Value) -> std::io::Result<()> {
        let names = counts.as_object().into_iter().flat_map(|it| it.keys());
        for name in names.filter(|it| it.contains('.')) {
            let line = format!("{function} {name}\n");
            if !self.seen.contains(&line) {
                self.file.write_all(line.as_bytes())?;
                self.seen.insert(line);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_told_once_by_each_stack_and_its_units_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let (mut one, mut other) = (CallLog::open(&path).unwrap(), CallLog::open(&path).unwrap());
        let counts = json!({ "sqs.SendMessage": 1.0, "sqs_requests": 1.0 });
        one.add("A", &counts).unwrap();
        one.add("A", &counts).unwrap();
        other.add("B", &counts).unwrap();
        one.add("A", &json!({ "dynamodb.transact.PutItem": 2.0, "write_units": 4.0 })).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "A sqs.SendMessage\nB sqs.SendMessage\nA dynamodb.transact.PutItem\n");
    }
}
