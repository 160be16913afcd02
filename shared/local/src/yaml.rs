//! YAML with line numbers and tags, as CloudFormation uses them (`!Ref`, `!GetAtt`, `!Sub`).

use saphyr_parser::{Event, Parser};

/// A value with its line, from 1, and its tag without the `!`.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub line: usize,
    pub tag: Option<String>,
    pub value: Value,
}

/// The kinds of value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

/// The line that is wrong, from 1, and what is wrong there.
pub type LineError = (usize, String);

/// Reads a document. The error is a line and what is wrong there.
pub fn read(text: &str) -> Result<Node, LineError> {
    let mut stack: Vec<(Node, Option<String>)> = Vec::new(); // what is open, and the key that waits for its value
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|it| (it.marker().line(), it.info().to_owned()))?;
        let line = span.start.line();
        let name = |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| {
            tag.filter(|it| it.handle == "!").map(|it| it.suffix.clone())
        };
        let done = match event {
            Event::MappingStart(_, tag) => {
                stack.push((Node { line, tag: name(tag), value: Value::Mapping(Vec::new()) }, None));
                continue;
            }
            Event::SequenceStart(_, tag) => {
                stack.push((Node { line, tag: name(tag), value: Value::Sequence(Vec::new()) }, None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => stack.pop().map(|it| it.0),
            Event::Scalar(text, _, _, tag) => {
                Some(Node { line, tag: name(tag), value: Value::Scalar(text.into_owned()) })
            }
            Event::Alias(_) => return Err((line, "aliases are not known here".to_owned())),
            _ => continue,
        };
        let Some(node) = done else { continue };
        match stack.last_mut() {
            None => root = Some(node),
            Some((Node { value: Value::Sequence(all), .. }, _)) => all.push(node),
            Some((Node { value: Value::Mapping(all), .. }, key)) => match (key.take(), node.value) {
                (Some(key), value) => {
                    if all.iter().any(|it| it.0 == key) {
                        return Err((node.line, format!("`{key}` stands here twice")));
                    }
                    all.push((key, Node { line: node.line, tag: node.tag, value }));
                }
                (None, Value::Scalar(text)) => *key = Some(text),
                (None, _) => return Err((node.line, "a key must be text".to_owned())),
            },
            Some(_) => {}
        }
    }
    root.ok_or((1, "the document is empty".to_owned()))
}

impl Node {
    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        if let Value::Mapping(all) = &self.value { all } else { &[] }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        if let Value::Sequence(all) = &self.value { all } else { &[] }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|it| it.0 == key).map(|it| &it.1)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar(it) = &self.value { Some(it) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lines_and_tags() {
        let root = read("a: 1\nb:\n  c: !GetAtt X.Arn\n  d: [x, !Ref Y]\n").unwrap();
        let c = root.get("b").unwrap().get("c").unwrap();
        assert_eq!((c.line, c.tag.as_deref(), c.text()), (3, Some("GetAtt"), Some("X.Arn")));
        let d = root.get("b").unwrap().get("d").unwrap();
        assert_eq!(d.items()[1].tag.as_deref(), Some("Ref"));
    }

    #[test]
    fn says_where_it_is_wrong() {
        assert_eq!(read("a: 1\na: 2\n").unwrap_err(), (2, "`a` stands here twice".to_owned()));
        assert_eq!(read("a: [1\nb: 2").unwrap_err().0, 2);
        assert!(read("").is_err());
    }
}
