//! The bodies of the OMA Notification Channel V1.0 and NMS V1.0 APIs: JSON and XML, faults, and the choice between formats.

mod canonical;
mod document;
mod error;
mod fault;
mod form;
mod format;
mod generic;
mod json;
mod json_write;
mod negotiate;
mod notification;
#[cfg(test)]
mod samples;
mod schema;
mod types;
mod url;
mod write;
mod xml;
mod xml_text;
mod xml_tree;
mod xml_write;

pub use document::Document;
pub use error::ReadError;
pub use fault::Fault;
pub use form::{read_channel_form, read_poll_form};
pub use format::Format;
pub use json::{read_json, read_json_bare};
pub use json_write::{JsonDialect, write_json};
pub use negotiate::{NotAcceptable, RequestFormat, UnsupportedMediaType, request_format, response_format};
pub use notification::read_any_notification;
pub use types::*;
pub use url::encoded;
pub use write::write;
pub use xml::read_xml;
pub use xml_write::write_xml;
