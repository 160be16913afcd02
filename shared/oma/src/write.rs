//! Writing in the format that was negotiated.

use crate::document::Document;
use crate::format::Format;
use crate::json_write::{JsonDialect, write_json};
use crate::xml_write::write_xml;

/// A document in a format; JSON in the structure-aware dialect.
pub fn write(document: &Document, format: Format) -> String {
    match format {
        Format::Json => write_json(document, JsonDialect::StructureAware),
        Format::Xml => write_xml(document),
    }
}
