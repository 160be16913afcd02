//! Values of the template's properties: numbers, times, keys that must or may be there.

use std::time::Duration;

use super::resolve::Resolver;
use crate::yaml::{LineError, Node};

pub(super) fn reject_unknown_keys(node: &Node, what: &str, keys: &[&str]) -> Result<(), LineError> {
    match node.entries().iter().find(|it| !keys.contains(&it.0.as_str())) {
        Some((key, at)) => Err((at.line, format!("the local stack does not know `{key}` in a {what}"))),
        None => Ok(()),
    }
}

pub(super) fn number<T: std::str::FromStr>(
    node: Option<&Node>,
    resolver: &Resolver,
    default: T,
) -> Result<T, LineError> {
    let Some(node) = node else { return Ok(default) };
    let text = resolver.text(node)?;
    text.parse().map_err(|_| (node.line, format!("`{text}` is not a number that fits here")))
}

pub(super) fn seconds(node: Option<&Node>, resolver: &Resolver, default: u64) -> Result<Duration, LineError> {
    number(node, resolver, default).map(Duration::from_secs)
}

pub(super) fn boolean(node: Option<&Node>, resolver: &Resolver) -> Result<bool, LineError> {
    node.map_or(Ok(false), |it| resolver.text(it).map(|it| it == "true"))
}

pub(super) fn required<'a>(node: &'a Node, key: &str) -> Result<&'a Node, LineError> {
    node.get(key).ok_or_else(|| (node.line, format!("`{key}` is missing")))
}
