//! Parses a page of an S3 listing (`ListBucketResult`). An invalid entry is left out alone, while the SDK's own parser
//! rejects the whole page for one date or size that it cannot read.

use std::collections::HashMap;

use domain::scanning::{ListedObject, modified_etag};
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::excerpt;

/// Bytes of a key, at most (Amazon S3, "Naming Amazon S3 objects").
const MAX_KEY_BYTES: usize = 1_024;

/// The fields and the objects of a page.
#[derive(Debug, Default)]
pub struct ListingPage {
    /// `IsTruncated`; `None` if the response does not contain it.
    pub is_truncated: Option<bool>,
    /// `NextContinuationToken` of ListObjectsV2, unchanged; never empty.
    pub next_continuation_token: Option<String>,
    /// `NextMarker` of ListObjects; never empty.
    pub next_marker: Option<String>,
    /// Whether the response has a `KeyCount`, which only ListObjectsV2 has.
    pub has_key_count: bool,
    /// Each key once: the last entry of a key counts.
    pub objects: Vec<ListedObject>,
    /// Why entries were left out, one sentence each.
    pub errors: Vec<String>,
    /// The last key that could be read, if the keys are in the order of their bytes.
    pub last_key: Option<String>,
}

/// The text of an element; an error if it is not valid text.
type ElementText = Result<String, ()>;

/// Child elements, by name.
#[derive(Default)]
struct Elements(HashMap<Vec<u8>, ElementText>);

impl Elements {
    /// The trimmed text of an element, unless it is missing, empty or invalid.
    fn non_empty(&self, name: &str) -> Option<&str> {
        self.0.get(name.as_bytes())?.as_deref().ok().map(str::trim).filter(|it| !it.is_empty())
    }
}

impl ListingPage {
    /// Parses a response body. `None` if it is no listing, or a truncated one.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (fields, contents) = parse_elements(body)?;
        let encoded = fields.non_empty("EncodingType").is_some_and(|it| it.eq_ignore_ascii_case("url"));
        let mut page = Self {
            is_truncated: fields.non_empty("IsTruncated").and_then(|it| it.to_ascii_lowercase().parse().ok()),
            next_continuation_token: fields.non_empty("NextContinuationToken").map(str::to_owned),
            next_marker: fields.non_empty("NextMarker").and_then(|it| decode_key(it, encoded).ok()),
            has_key_count: fields.non_empty("KeyCount").is_some(),
            ..Self::default()
        };
        let (mut positions, mut ordered) = (HashMap::new(), true);
        for elements in contents {
            let object = match parse_object(&elements, encoded) {
                Ok(object) => object,
                Err(reason) => {
                    page.errors.push(reason);
                    continue;
                }
            };
            ordered &= page.last_key.as_ref().is_none_or(|last| *last <= object.key);
            page.last_key = Some(object.key.clone());
            match positions.get(&object.key) {
                Some(position) => page.objects[*position] = object,
                None => {
                    positions.insert(object.key.clone(), page.objects.len());
                    page.objects.push(object);
                }
            }
        }
        page.last_key = page.last_key.filter(|_| ordered);
        Some(page)
    }
}

/// The child elements of the listing, and those of each `Contents`.
fn parse_elements(body: &[u8]) -> Option<(Elements, Vec<Elements>)> {
    let mut reader = Reader::from_reader(body);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().allow_dangling_amp = true;
    let (mut root, mut contents, mut path) = (None, Vec::new(), Vec::new());
    let (mut object, mut text) = (Elements::default(), ElementText::Ok(String::new()));
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_vec();
                match path.len() {
                    0 if name != b"ListBucketResult" || root.is_some() => return None,
                    0 => root = Some(Elements::default()),
                    _ => text = Ok(String::new()),
                }
                path.push(name);
            }
            Event::Text(it) => append(&mut text, std::str::from_utf8(&it).ok()),
            Event::CData(it) => append(&mut text, std::str::from_utf8(&it).ok()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(letter)) => append(&mut text, Some(letter.encode_utf8(&mut [0; 4]))),
                Ok(None) => append(&mut text, std::str::from_utf8(&reference).ok().and_then(resolve_predefined_entity)),
                Err(_) => append(&mut text, None),
            },
            Event::End(_) => {
                let name = path.pop()?;
                let in_contents = path.get(1).is_some_and(|it| it == b"Contents");
                match path.len() {
                    1 if name == b"Contents" => contents.push(std::mem::take(&mut object)),
                    1 => drop(root.as_mut()?.0.insert(name, text.clone())),
                    2 if in_contents => drop(object.0.insert(name, text.clone())),
                    _ => {}
                }
            }
            Event::Eof if path.is_empty() => return Some((root?, contents)),
            Event::Eof => return None, // truncated
            _ => {}
        }
    }
}

/// Adds to a text. XML has no character 0, neither as it is nor as a reference (XML 1.0, section 2.2); other control characters
/// are read, since keys may hold them.
fn append(text: &mut ElementText, more: Option<&str>) {
    match (text.as_mut(), more.filter(|it| !it.contains('\0'))) {
        (Ok(text), Some(more)) => text.push_str(more),
        _ => *text = Err(()),
    }
}

/// The object of a `Contents` element, or why it is none.
fn parse_object(elements: &Elements, encoded: bool) -> Result<ListedObject, String> {
    let key = match elements.0.get(b"Key".as_slice()) {
        None => return Err("an object has no key".to_owned()),
        Some(Err(())) => return Err("a key is no text".to_owned()),
        Some(Ok(key)) => decode_key(key, encoded)?,
    };
    let invalid = |reason: &str| format!("`{}`: {reason}", excerpt(&key));
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(invalid("a key has 1 to 1,024 bytes"));
    }
    let size = elements.non_empty("Size").ok_or_else(|| invalid("it has no size"))?;
    let size = size.parse().map_err(|_| invalid(&format!("its size is `{}`", excerpt(size))))?;
    let modified = match elements.non_empty("LastModified") {
        None => None,
        Some(text) => match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(at) => Some(at),
            Err(_) => return Err(invalid(&format!("its date is `{}`", excerpt(text)))),
        },
    };
    // opaque: not always an MD5, but always what a header can hold (RFC 9110, section 8.8.3)
    let etag = elements.non_empty("ETag").map(|it| it.trim_matches('"').to_owned());
    let etag = etag.filter(|it| !it.is_empty() && !it.contains(char::is_control));
    let etag = etag.or_else(|| modified.map(modified_etag));
    let etag = etag.ok_or_else(|| invalid("it has neither an ETag nor a date, so a change of it would not be seen"))?;
    Ok(ListedObject { key, etag, size, media_type: None })
}

/// Decodes a key once. With `encoding-type=url`, `+` and `%…` stand for characters that XML cannot carry.
fn decode_key(key: &str, encoded: bool) -> Result<String, String> {
    if !encoded {
        return Ok(key.to_owned());
    }
    let escapes = key.split('%').skip(1);
    let is_complete = |it: &str| it.len() >= 2 && it.bytes().take(2).all(|it| it.is_ascii_hexdigit());
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok().filter(|_| escapes.clone().all(is_complete));
    decoded.map(Into::into).ok_or_else(|| format!("`{}`: the key is not encoded as a URL's part", excerpt(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(more: &str) -> Option<ListingPage> {
        ListingPage::parse(format!("<?xml version=\"1.0\"?><ListBucketResult>{more}</ListBucketResult>").as_bytes())
    }

    fn contents_element(key: &str, more: &str) -> String {
        format!("<Contents><Key>{key}</Key>{more}</Contents>")
    }

    fn keys(page: &ListingPage) -> Vec<&str> {
        page.objects.iter().map(|it| it.key.as_str()).collect()
    }

    const GOOD: &str = "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"abc\"</ETag><Size>7</Size><Owner><ID>x</ID></Owner>";

    #[test]
    fn a_bad_element_takes_no_neighbour_along() {
        let dated = GOOD.replace("2026-01-01", "yesterday");
        let all = [
            contents_element("a", GOOD),
            contents_element("b", &GOOD.replace('7', "many")),
            contents_element("c", &dated),
            contents_element("d&#0;", GOOD),
            contents_element("d\0", GOOD),
            contents_element("", GOOD),
            contents_element("f&#1;&amp;", GOOD),
            format!("<Contents>{GOOD}</Contents>"),
            contents_element("g", "<Size>7</Size>"),
            contents_element("h", GOOD),
        ];
        let page = page(&all.concat()).unwrap();
        assert_eq!(keys(&page), ["a", "f\u{1}&", "h"]);
        assert_eq!(page.errors.len(), 7, "{:?}", page.errors);
        assert_eq!(page.errors[0], "`b`: its size is `many`");
        assert!(page.errors[1].starts_with("`c`: its date is `yesterday"), "{}", page.errors[1]);
    }

    #[test]
    fn a_key_twice_is_one_object_and_its_order_is_seen() {
        let later = GOOD.replace("abc", "new");
        let twice =
            page(&[contents_element("a", GOOD), contents_element("a", &later), contents_element("b", GOOD)].concat())
                .unwrap();
        assert_eq!((keys(&twice), twice.last_key.as_deref()), (vec!["a", "b"], Some("b")));
        assert_eq!(twice.objects[0].etag, "new");
        let mixed = page(&[contents_element("b", GOOD), contents_element("a", GOOD)].concat()).unwrap();
        assert_eq!((keys(&mixed), mixed.last_key.as_deref()), (vec!["b", "a"], None));
    }

    #[test]
    fn a_key_is_decoded_once_and_only_where_the_answer_says_so() {
        let entries = [
            contents_element("a%252Fb+c%2B%01%C3%A9", GOOD),
            contents_element("%zz", GOOD),
            contents_element("%FF", GOOD),
        ]
        .concat();
        let plain = page(&entries).unwrap();
        assert_eq!(keys(&plain)[0], "a%252Fb+c%2B%01%C3%A9");
        let encoded = page(&format!("<EncodingType>url</EncodingType>{entries}")).unwrap();
        assert_eq!((keys(&encoded), encoded.errors.len()), (vec!["a%2Fb c+\u{1}é"], 2));
    }

    #[test]
    fn an_object_without_an_etag_has_the_time_of_its_change_for_its_version() {
        let page =
            page(&contents_element("a", "<LastModified>2026-01-01T00:00:00.5Z</LastModified><Size>7</Size>")).unwrap();
        assert_eq!(page.objects[0].etag, "modified 2026-01-01T00:00:00.5Z");
        // one that no header can hold would fail every request for the object
        let broken = "<LastModified>2026-01-01T00:00:00.5Z</LastModified><ETag>\"a&#10;b\"</ETag><Size>7</Size>";
        let page = self::page(&contents_element("a", broken)).unwrap();
        assert_eq!(page.objects[0].etag, "modified 2026-01-01T00:00:00.5Z");
    }

    #[test]
    fn an_answer_that_is_cut_or_no_listing_is_none() {
        for body in ["", "<html>It works!</html>", "<Error><Code>X</Code></Error>", "<ListBucketResult><Contents>"] {
            assert!(ListingPage::parse(body.as_bytes()).is_none(), "{body}");
        }
        let said = page("<IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>").unwrap();
        assert_eq!((said.is_truncated, said.next_continuation_token, said.has_key_count), (Some(true), None, false));
        assert_eq!(page("").unwrap().is_truncated, None);
    }
}
