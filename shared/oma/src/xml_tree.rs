//! A bounded tree of the elements of an XML document from a stranger: no DOCTYPE, no entities but the predefined ones.

use std::fmt::Display;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use crate::error::ReadError;
use crate::schema::XSI;
use crate::xml_text;

/// Elements inside each other, elements of a document, and attributes of an element, at most.
const MAX_DEPTH: usize = 32;
const MAX_ELEMENTS: usize = 100_000;
const MAX_ATTRIBUTES: usize = 64;

/// An element. Names are local names; namespace declarations and `xsi:` attributes are left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// The text directly in it, CDATA too.
    pub(crate) text: String,
}

/// Parses a document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(malformed)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if !text.chars().all(xml_text::is_char) {
        return Err(malformed("a character that XML does not have"));
    }
    let mut reader = NsReader::from_str(text);
    let (mut tree, mut elements) = (Tree::default(), 0);
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Start(start) => {
                elements += 1;
                tree.check(elements)?;
                let element = element(&reader, &start)?;
                tree.open.push(element);
            }
            Event::Empty(start) => {
                elements += 1;
                tree.check(elements)?;
                let element = element(&reader, &start)?;
                tree.close(element)?;
            }
            Event::End(_) => match tree.open.pop() {
                Some(element) => tree.close(element)?,
                None => return Err(malformed("an end tag without its start tag")),
            },
            Event::Text(text) => tree.append(&text.xml10_content().map_err(malformed)?)?,
            Event::CData(text) => tree.append(&text.xml10_content().map_err(malformed)?)?,
            Event::GeneralRef(reference) => tree.append(&resolved(&reference)?)?,
            Event::DocType(_) => return Err(malformed("a DOCTYPE is not accepted")),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// The elements that are not closed yet, and the root element when it is.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree {
    fn check(&self, elements: usize) -> Result<(), ReadError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(malformed("more than 32 elements inside each other"));
        }
        if elements > MAX_ELEMENTS {
            return Err(malformed("more than 100000 elements"));
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), ReadError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("text outside of the root element")),
        }
        Ok(())
    }

    fn close(&mut self, element: Element) -> Result<(), ReadError> {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None if self.root.is_none() => self.root = Some(element),
            None => return Err(malformed("more than one root element")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, ReadError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(malformed("the document ends before its root element does")),
        }
    }
}

/// The longest URI of a namespace, in bytes.
const MAX_NAMESPACE_BYTES: usize = 1_000;

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, ReadError> {
    let (namespace, local) = reader.resolver().resolve_element(start.name());
    let namespace = match namespace {
        // each element below the declaration has a copy
        ResolveResult::Bound(uri) if uri.0.len() > MAX_NAMESPACE_BYTES => {
            return Err(malformed("a namespace is too long"));
        }
        ResolveResult::Bound(uri) if !uri.0.is_empty() => Some(text(uri.0).trim().to_owned()),
        ResolveResult::Bound(_) | ResolveResult::Unbound => None,
        ResolveResult::Unknown(prefix) => return Err(malformed(format!("no namespace for `{}`", text(&prefix)))),
    };
    let mut element = Element { name: text(local.as_ref()), namespace, ..Element::default() };
    if !xml_text::is_name(&element.name) {
        return Err(malformed(format!("`{}` is not a name", element.name)));
    }
    let mut attributes = start.attributes();
    // the check of the library takes the square of their number
    attributes.with_checks(false);
    for (index, attribute) in attributes.enumerate() {
        if index == MAX_ATTRIBUTES {
            return Err(malformed("more than 64 attributes"));
        }
        let attribute = attribute.map_err(malformed)?;
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        let schema_instance = matches!(namespace, ResolveResult::Bound(uri) if uri.0 == XSI.as_bytes());
        if schema_instance || attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let name = text(local.as_ref());
        if !xml_text::is_name(&name) || element.attributes.iter().any(|(other, _)| *other == name) {
            return Err(malformed(format!("the attribute `{name}` is not a name, or occurs twice")));
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(malformed)?;
        if !value.chars().all(xml_text::is_char) {
            return Err(malformed("a character that XML does not have"));
        }
        element.attributes.push((name, value.into_owned()));
    }
    Ok(element)
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, ReadError> {
    if let Some(character) = reference.resolve_char_ref().map_err(malformed)? {
        return if xml_text::is_char(character) {
            Ok(character.to_string())
        } else {
            Err(malformed("a character that XML does not have"))
        };
    }
    let name = reference.decode().map_err(malformed)?;
    let text =
        resolve_predefined_entity(&name).ok_or_else(|| malformed(format!("the entity `{name}` is not known")))?;
    Ok(text.to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn malformed(reason: impl Display) -> ReadError {
    ReadError::Malformed(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_in_all_its_forms() {
        let text = "\u{FEFF}<?xml version=\"1.0\"?><!-- c --><a x=\"1 &amp; 2\" xmlns:p=\"urn:p\">b&lt;<![CDATA[<c>&]]>\
                    &#x41;<!-- d -->&#66;\r\n<?e f?><p:g/></a>";
        let element = parse(text.as_bytes()).unwrap();
        assert_eq!(element.name, "a");
        assert_eq!(element.attributes, [("x".to_owned(), "1 & 2".to_owned())]);
        assert_eq!(element.text, "b<<c>&AB\n");
        assert_eq!(element.children.len(), 1);
        assert_eq!(element.children[0].namespace.as_deref(), Some("urn:p"));
        assert_eq!(element.namespace, None);
    }

    #[test]
    fn a_namespace_belongs_to_the_elements_below() {
        let text = "<a xmlns=\"urn:a\"><b xmlns=\"\"/><c xmlns:d=\"urn:d\"><d:e/></c></a>";
        let element = parse(text.as_bytes()).unwrap();
        assert_eq!(element.namespace.as_deref(), Some("urn:a"));
        assert_eq!(element.children[0].namespace, None);
        assert_eq!(element.children[1].namespace.as_deref(), Some("urn:a"));
        assert_eq!(element.children[1].children[0].namespace.as_deref(), Some("urn:d"));
    }

    #[test]
    fn refuses_what_is_hostile_or_broken() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
        assert!(parse(many(MAX_ELEMENTS - 1).as_bytes()).is_ok());
        let attributes: String = (0..100).map(|it| format!(" a{it}=\"\"")).collect();
        for bad in [
            "",
            "  ",
            "text",
            "{}",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "<a x=1/>",
            "<a x=\"1\" x=\"2\"/>",
            "<p:a/>",
            "<a p:x=\"\"><b q:c=\"1\" q:c=\"2\"/></a>",
            "<1a/>",
            "<a>&</a>",
            "<a>&unknown;</a>",
            "<a x=\"&unknown;\"/>",
            "<a>&#0;</a>",
            "<a>&#1;</a>",
            "<a x=\"&#1;\"/>",
            "<a>\u{1}</a>",
            "<a>&#xD800;</a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<!DOCTYPE a SYSTEM \"http://example.com/a.dtd\"><a/>",
            &nested(MAX_DEPTH + 1),
            &nested(100_000),
            &many(MAX_ELEMENTS),
            &format!("<a{attributes}/>"),
        ] {
            assert!(matches!(parse(bad.as_bytes()), Err(ReadError::Malformed(_))), "{}", &bad[..bad.len().min(80)]);
        }
        assert!(parse(b"<a>\xFF</a>").is_err());
        assert!(parse(b"\xFF\xFE<\0a\0/\0>\0").is_err());
    }
}
