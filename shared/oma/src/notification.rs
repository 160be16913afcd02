//! Notifications of any enabler, as they are sent to a callbackURL.

use crate::document::Document;
use crate::error::ReadError;
use crate::format::Format;
use crate::{generic, json, xml};

/// Reads the notification of any enabler (NC 5.2.2.8). One that is not known here keeps its elements and attributes, and in
/// XML its namespace; the order of elements with different names is not kept.
///
/// # Errors
/// If the body cannot be read, or is another document of these APIs.
pub fn read_any_notification(format: Format, bytes: &[u8]) -> Result<Document, ReadError> {
    let document = match format {
        Format::Json => json::read_notification(bytes),
        Format::Xml => xml::read_notification(bytes),
    }?;
    if document.root.len() > generic::MAX_NAME_BYTES || generic::has_long_name(&document.value) {
        return Err(ReadError::Malformed(format!("a name has at most {} bytes", generic::MAX_NAME_BYTES)));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json_write::{JsonDialect, write_json};
    use crate::xml_write::write_xml;

    const CHAT: &str = "<c:chat xmlns:c='urn:example:chat' id='7'><text lang='en'>Hi &amp; bye</text><to>a</to><to>b</to>\
                        <none/><link rel='Chat' href='https://example.com/c'/></c:chat>";

    #[test]
    fn an_unknown_enabler_keeps_its_meaning() {
        let document = read_any_notification(Format::Xml, CHAT.as_bytes()).unwrap();
        assert_eq!((document.root.as_str(), document.namespace.as_deref()), ("chat", Some("urn:example:chat")));
        let written = write_xml(&document);
        assert_eq!(read_any_notification(Format::Xml, written.as_bytes()).unwrap(), document, "{written}");
        let text = write_json(&document, JsonDialect::StructureAware);
        let want = json!({ "chat": {
            "id": "7", "text": { "lang": "en", "$t": "Hi & bye" }, "to": ["a", "b"], "none": null,
            "link": { "rel": "Chat", "href": "https://example.com/c" },
        } });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), want);
    }

    #[test]
    fn what_would_grow_without_bound_is_refused() {
        let name = "n".repeat(257);
        for (format, body) in [
            (Format::Json, format!(r#"{{"a":{{"b":[{{"{name}":1}}]}}}}"#)),
            (Format::Json, format!(r#"{{"{name}":1}}"#)),
            (Format::Xml, format!("<a><{name}/></a>")),
            (Format::Xml, format!("<a xmlns='{}'/>", "u".repeat(1_001))),
        ] {
            assert!(matches!(read_any_notification(format, body.as_bytes()), Err(ReadError::Malformed(_))), "{body}");
        }
        assert!(read_any_notification(Format::Json, format!(r#"{{"{}":1}}"#, &name[1..]).as_bytes()).is_ok());
    }

    #[test]
    fn an_unknown_enabler_in_a_list_keeps_its_namespace() {
        let document = read_any_notification(Format::Xml, CHAT.as_bytes()).unwrap();
        let list = Document::notification_list(vec![document.clone()], true);
        let written = write_xml(&list);
        let read = xml::read_xml(written.as_bytes(), &["notificationList"]).unwrap();
        assert_eq!(read, list, "{written}");
        assert_eq!(read.notifications(), [document]);
    }

    #[test]
    fn json_of_an_unknown_enabler_comes_back() {
        let text = r#"{"presence":{"@type":"a","list":[1,true,null,{"b c":"d"}],"t":"x"}}"#;
        let document = read_any_notification(Format::Json, text.as_bytes()).unwrap();
        assert_eq!(write_json(&document, JsonDialect::StructureAware), text);
        let written = write_xml(&document);
        assert!(read_any_notification(Format::Xml, written.as_bytes()).is_ok(), "{written}");
    }

    #[test]
    fn a_known_enabler_has_its_types() {
        let text = "<n:nmsEventList xmlns:n='urn:oma:xml:rest:netapi:nms:1'><index>7</index></n:nmsEventList>";
        let document = read_any_notification(Format::Xml, text.as_bytes()).unwrap();
        assert_eq!(document.value, json!({ "nmsEvent": [], "index": 7 }));
        assert_eq!(document.namespace, None);
    }

    #[test]
    fn other_documents_are_no_notifications() {
        for text in [
            "{}",
            "[]",
            "{\"a\":1,\"b\":2}",
            "{\"ncListComplete\":true}",
            "{\"notificationList\":null}",
            "{\"connCheck\":null}",
            "{\"requestError\":{}}",
            "{\"a b\":{}}",
        ] {
            assert!(read_any_notification(Format::Json, text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "<ncListComplete>true</ncListComplete>",
            "<a:ncListComplete xmlns:a='urn:a'>true</a:ncListComplete>",
            "<connCheck/>",
            "<a:connCheck xmlns:a='urn:oma:xml:rest:netapi:notificationchannel:1'/>",
        ] {
            assert!(read_any_notification(Format::Xml, text.as_bytes()).is_err(), "{text}");
        }
    }
}
