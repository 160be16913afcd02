//! Serde's errors as problems: they name the rule that a value breaks in the terms of JSON instead of Rust. The value itself
//! is left out, since it may be a secret.

use serde::{Deserialize, Deserializer};

use super::problem::{Problem, ProblemType};

/// Deserialises a value.
///
/// # Errors
/// A problem that names the field by its path (`buckets[0].endpoint`), and the rule that it breaks.
pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, Problem> {
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        serde_problem(if path == "." { "" } else { &path }, &error.into_inner().to_string())
    })
}

/// The problem of the value at a path (empty at the top), by serde's message.
fn serde_problem(path: &str, message: &str) -> Problem {
    let member =
        ["missing field ", "unknown field ", "duplicate field "].iter().find_map(|it| quoted_name(message, it));
    let field = match member {
        Some(name) if path.is_empty() => name.to_owned(),
        // serde's path may include the member
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    Problem::new(ProblemType::Invalid, describe(message)).with_field(&field)
}

/// The name in backticks behind a prefix.
fn quoted_name<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

/// The rule that a value breaks, by serde's message.
fn describe(message: &str) -> String {
    if message.starts_with("missing field ") {
        return "it is missing".to_owned();
    }
    if message.starts_with("duplicate field ") {
        return "it is given twice".to_owned();
    }
    if message.starts_with("unknown variant ")
        && let Some((_, expected)) = message.rsplit_once(", expected ")
    {
        return format!("{expected} is expected");
    }
    let wanted = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|it| message.starts_with(it));
    match message.rsplit_once(", expected ").or_else(|| message.rsplit_once(" expected ")) {
        Some((_, expected)) if wanted => format!("{} is expected", describe_type(expected)),
        _ => describe_parse_error(message),
    }
}

/// A type in serde's messages, in words.
fn describe_type(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more,",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "string or map" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        it if it.starts_with("struct ") => "an object",
        it => it,
    };
    words.to_owned()
}

/// The message of a parser of Rust's standard library, in words.
fn describe_parse_error(message: &str) -> String {
    let words = match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "a whole number is expected",
        "number too large to fit in target type" => "the number is too large",
        "number too small to fit in target type" => "the number is too small",
        "invalid float literal" | "cannot parse float from empty string" => "a number is expected",
        "provided string was not `true` or `false`" => "`true` or `false` is expected",
        it => it,
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, message: &str, field: Option<&str>, title: &str) {
        let problem = serde_problem(path, message);
        assert_eq!((problem.status, problem.field.as_deref(), problem.reason()), (422, field, title));
    }

    #[test]
    fn the_rule_is_said_and_not_the_type() {
        let byte = "a whole number from 0 to 255 is expected";
        check("priority", "invalid value: integer `256`, expected u8", Some("priority"), byte);
        check("priority", "invalid type: string \"a, expected b\", expected u8", Some("priority"), byte);
        check("", "missing field `title`", Some("title"), "it is missing");
        check("links[0]", "missing field `href`", Some("links[0].href"), "it is missing");
        let unknown = "unknown field `colour`, expected `name`";
        check("", unknown, Some("colour"), unknown);
        check("colour", unknown, Some("colour"), unknown);
        let change = "unknown variant `x`, expected `read` or `seen`";
        check("change", change, Some("change"), "`read` or `seen` is expected");
        check("", "invalid type: null, expected struct NotificationIn", None, "an object is expected");
        check("", "an object is expected", None, "an object is expected");
    }
}
