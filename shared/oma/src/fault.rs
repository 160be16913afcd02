//! Faults, as `requestError` (REST_NetAPI_Common 5.3; NC 7, NMS 7).

use serde_json::{Value, json};

use crate::document::Document;
use crate::error::ReadError;
use crate::types::{Exception, Link, RequestError};

/// A fault and the status that it is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message_id: &'static str,
    /// The template: `%1` stays in place, and the client puts the variables in.
    pub text: &'static str,
    pub variables: Vec<String>,
    pub links: Vec<Link>,
}

impl Fault {
    /// SVC0001: something failed that should not (500).
    pub fn service_error(code: impl Into<String>) -> Self {
        Self::new(500, "SVC0001", "A service error occurred. Error code is %1", [code.into()])
    }

    /// SVC0002: a bad or missing field (400).
    pub fn invalid_input(part: impl Into<String>) -> Self {
        Self::new(400, "SVC0002", "Invalid input value for message part %1", [part.into()])
    }

    /// SVC0003: a value that its enumeration does not have (400).
    pub fn invalid_value(part: impl Into<String>, valid: impl Into<String>) -> Self {
        let text = "Invalid input value for message part %1, valid values are %2";
        Self::new(400, "SVC0003", text, [part.into(), valid.into()])
    }

    /// SVC0004: the Request-URI names nothing (404).
    pub fn unknown_resource() -> Self {
        Self::unknown_address("Request-URI")
    }

    /// SVC0004: an address in the Request-URI, or its path, names nothing (404).
    pub fn unknown_address(part: impl Into<String>) -> Self {
        Self::new(404, "SVC0004", "No valid addresses provided in message part %1", [part.into()])
    }

    /// SVC0004: an address in the body names nothing (400).
    pub fn invalid_address(part: impl Into<String>) -> Self {
        Self { status: 400, ..Self::unknown_address(part) }
    }

    /// SVC0005: the correlator of another request (409); with a link to what that request made.
    pub fn duplicate_correlator(correlator: impl Into<String>, existing: Link) -> Self {
        let variables = [correlator.into(), "clientCorrelator".to_owned()];
        Self::new(409, "SVC0005", "Correlator %1 specified in message part %2 is a duplicate", variables)
            .with_link(existing)
    }

    /// SVC1009: a lookup of a path that lacks the path (400; NMS 7.1.1).
    pub fn missing_folder_path() -> Self {
        let text = "Folder's path is missing. When more than one root folder exists, folder's path must be provided.";
        Self::new(400, "SVC1009", text, [])
    }

    /// SVC1012: a newer poll has taken over (409; NC 7.1.1).
    pub fn simultaneous_requests() -> Self {
        Self::new(409, "SVC1012", "Simultaneous channel requests not supported", [])
    }

    /// SVC2001: the server is overloaded (503).
    pub fn no_server_resources() -> Self {
        Self::new(503, "SVC2001", "No server resources available to process the request", [])
    }

    /// SVC2003: the access token is missing, invalid or expired (401).
    pub fn invalid_access_token() -> Self {
        Self::new(401, "SVC2003", "Invalid access token", [])
    }

    /// SVC2008: something in a bulk request names nothing (404 in the response of its entry; NMS App. D).
    pub fn unknown(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(404, "SVC2008", "Unknown %1 %2", [kind.into(), value.into()])
    }

    /// POL0001: a refusal that has no code of its own (403).
    pub fn policy_error(code: impl Into<String>) -> Self {
        Self::new(403, "POL0001", "A policy error occurred. Error code is %1", [code.into()])
    }

    /// POL0003: more addresses than a request may have (403).
    pub fn too_many_addresses(part: impl Into<String>) -> Self {
        Self::new(403, "POL0003", "Too many addresses specified in message part %1", [part.into()])
    }

    /// POL1023: a type of channel that the server does not have (403; NC 7.2.1).
    pub fn unsupported_channel_type(channel_type: impl Into<String>, supported: &[&str]) -> Self {
        let text = "Notification channel type %1 not supported. Supported types: %2.";
        Self::new(403, "POL1023", text, [channel_type.into(), supported.join(", ")])
    }

    /// POL1030: a folder that keeps its name (403; NMS 7.2.1).
    pub fn folder_not_renamable() -> Self {
        Self::new(403, "POL1030", "Renaming this folder is not allowed", [])
    }

    /// POL1031: a folder that nothing may be created in (403; NMS 7.2.2).
    pub fn creation_prohibited(folder: impl Into<String>) -> Self {
        let text = "Attempt to create objects or folders under %1 is prohibited";
        Self::new(403, "POL1031", text, [folder.into()])
    }

    /// POL2006: a feature that the server does not have (403; NC 6.1.5.4).
    pub fn unavailable_feature(feature: impl Into<String>) -> Self {
        Self::new(403, "POL2006", "Requested feature %1 is not available", [feature.into()])
    }

    /// With a link, for example to the resource that is missing.
    #[must_use]
    pub fn with_link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// With another status, such as 413.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The body of the answer.
    pub fn document(&self) -> Document {
        let members = [("messageId", json!(self.message_id)), ("text", json!(self.text))];
        let mut exception: serde_json::Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if !self.variables.is_empty() {
            exception.insert("variables".to_owned(), json!(self.variables));
        }
        let mut content = serde_json::Map::new();
        if !self.links.is_empty() {
            let links = self.links.iter().map(|link| json!({ "rel": link.rel, "href": link.href }));
            content.insert("link".to_owned(), links.collect());
        }
        let name = if self.is_policy() { "policyException" } else { "serviceException" };
        content.insert(name.to_owned(), Value::Object(exception));
        Document { root: "requestError".to_owned(), namespace: None, value: Value::Object(content) }
    }

    /// The fault as a part of a bulk response (NMS 5.3.2).
    pub fn request_error(&self) -> RequestError {
        let (id, text) = (self.message_id.to_owned(), self.text.to_owned());
        let exception = Some(Exception { message_id: id, text, variables: self.variables.clone() });
        let (service_exception, policy_exception) =
            if self.is_policy() { (None, exception) } else { (exception, None) };
        RequestError { link: self.links.clone(), service_exception, policy_exception }
    }

    fn is_policy(&self) -> bool {
        self.message_id.starts_with("POL")
    }

    fn new<const N: usize>(status: u16, message_id: &'static str, text: &'static str, variables: [String; N]) -> Self {
        Self { status, message_id, text, variables: variables.into(), links: Vec::new() }
    }
}

impl From<&ReadError> for Fault {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Enumeration { part, allowed } => Self::invalid_value(part, allowed),
            ReadError::Malformed(_) | ReadError::Root { .. } | ReadError::Invalid { .. } => {
                Self::invalid_input(error.part())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table() {
        let link = || Link { rel: "NotificationChannel".into(), href: "https://example.com/ch1".into() };
        let types = &["LongPolling", "WebSockets"];
        for (fault, status, id, variables) in [
            (Fault::service_error("E1"), 500, "SVC0001", &["E1"][..]),
            (Fault::invalid_input("channelData"), 400, "SVC0002", &["channelData"]),
            (Fault::invalid_value("type", "Date, Flag"), 400, "SVC0003", &["type", "Date, Flag"]),
            (Fault::unknown_resource(), 404, "SVC0004", &["Request-URI"]),
            (Fault::unknown_address("/a/b"), 404, "SVC0004", &["/a/b"]),
            (Fault::invalid_address("notifyURL"), 400, "SVC0004", &["notifyURL"]),
            (Fault::duplicate_correlator("123", link()), 409, "SVC0005", &["123", "clientCorrelator"]),
            (Fault::missing_folder_path(), 400, "SVC1009", &[]),
            (Fault::simultaneous_requests(), 409, "SVC1012", &[]),
            (Fault::no_server_resources(), 503, "SVC2001", &[]),
            (Fault::invalid_access_token(), 401, "SVC2003", &[]),
            (Fault::unknown("path", "/main/x"), 404, "SVC2008", &["path", "/main/x"]),
            (Fault::policy_error("E42"), 403, "POL0001", &["E42"]),
            (Fault::too_many_addresses("path"), 403, "POL0003", &["path"]),
            (
                Fault::unsupported_channel_type("OMAPush", types),
                403,
                "POL1023",
                &["OMAPush", "LongPolling, WebSockets"],
            ),
            (Fault::folder_not_renamable(), 403, "POL1030", &[]),
            (Fault::creation_prohibited("/main"), 403, "POL1031", &["/main"]),
            (Fault::unavailable_feature("LargeDataPolling"), 403, "POL2006", &["LargeDataPolling"]),
        ] {
            assert_eq!((fault.status, fault.message_id), (status, id));
            assert_eq!(fault.variables, variables, "{id}");
            for number in 1..=2 {
                let has = fault.text.contains(&format!("%{number}"));
                assert_eq!(has, variables.len() >= number, "{id}: a place for each variable");
            }
            let document = fault.document();
            assert_eq!(Document::new("requestError", &fault.request_error()).unwrap(), document, "{id}");
            let name = if id.starts_with("POL") { "policyException" } else { "serviceException" };
            assert_eq!(document.value[name]["messageId"], id);
            assert_eq!(document.value[name]["text"], fault.text);
            assert_eq!(document.value.get("link").is_some(), id == "SVC0005");
        }
    }

    #[test]
    fn a_link_names_what_is_missing() {
        let href = "https://example.com/exampleAPI/nms/v1/myStore/tel%3A%2B19585550100/subscriptions/sub6699";
        let fault = Fault::unknown_resource().with_link(Link { rel: "NmsSubscription".into(), href: href.into() });
        let want = json!({
            "link": [{ "rel": "NmsSubscription", "href": href }],
            "serviceException": {
                "messageId": "SVC0004", "text": "No valid addresses provided in message part %1",
                "variables": ["Request-URI"],
            },
        });
        assert_eq!(fault.document().value, want);
        assert_eq!(fault.with_status(410).status, 410);
    }

    #[test]
    fn an_unreadable_body_is_an_invalid_input() {
        let fault = Fault::from(&ReadError::Malformed("x".into()));
        assert_eq!((fault.message_id, fault.variables.as_slice()), ("SVC0002", &["body".to_owned()][..]));
        let fault = Fault::from(&ReadError::invalid("channelLifetime", "x"));
        assert_eq!((fault.message_id, fault.variables.as_slice()), ("SVC0002", &["channelLifetime".to_owned()][..]));
        let fault = Fault::from(&ReadError::Enumeration { part: "type".into(), allowed: "Date".into() });
        assert_eq!(fault, Fault::invalid_value("type", "Date"));
    }
}
