//! Bodies of the channel API: form-data as documented, url-encoded or JSON, field names in any case (section 4.1).

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde_json::Value;

use crate::envelope::Refusal;

/// A body at most, and its parts.
const MOST_BYTES: usize = 64 * 1024;
const MOST_PARTS: usize = 20;

/// Fields by their name in lower case. Of a field that is given twice, the first counts; an empty one is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Fields that were read elsewhere, by their names in lower case.
    pub fn of(fields: BTreeMap<String, String>) -> Self {
        Self(fields.into_iter().filter(|it| !it.1.is_empty()).collect())
    }

    /// A field, whatever the case of its name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// A field that must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::Field(name, format!("The {name} field is required.")))
    }

    /// `true` or `false`, in any case.
    pub fn flag(&self, name: &'static str, default: bool) -> Result<bool, Refusal> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(not_valid(name, other)),
        }
    }

    /// A number within bounds.
    pub fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &'static str,
        default: T,
        least: T,
        most: T,
    ) -> Result<T, Refusal> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number: T = text.parse().map_err(|_| not_valid(name, text))?;
        if number >= least && number <= most {
            Ok(number)
        } else {
            Err(Refusal::Field(name, format!("The field {name} must be between {least} and {most}.")))
        }
    }

    fn add(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.0.entry(name.to_ascii_lowercase()).or_insert(value);
        }
    }

    fn read(media_type: &str, boundary: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        let mut form = Self::default();
        match media_type {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(body).for_each(|(name, value)| form.add(&name, value.into_owned()));
            }
            "application/json" => {
                let json: Value = serde_json::from_slice(body).map_err(|it| wrong(&it.to_string()))?;
                for (name, value) in json.as_object().ok_or_else(|| wrong("The body is not an object."))? {
                    match value {
                        Value::String(it) => form.add(name, it.clone()),
                        Value::Number(it) => form.add(name, it.to_string()),
                        Value::Bool(it) => form.add(name, it.to_string()),
                        Value::Null => {}
                        Value::Array(_) | Value::Object(_) => {
                            return Err(wrong("A field is neither text, number nor flag."));
                        }
                    }
                }
            }
            "multipart/form-data" => {
                form.multipart(boundary.ok_or_else(|| wrong("The boundary is missing."))?, body)?
            }
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(Refusal::MediaType(format!("The media type '{shown}' is not supported.")));
            }
        }
        Ok(form)
    }

    /// RFC 7578: parts between boundaries, each with its name in `content-disposition`.
    fn multipart(&mut self, boundary: &str, body: &[u8]) -> Result<(), Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| wrong("The body is not UTF-8."))?;
        let separator = format!("--{boundary}");
        let mut parts = text.split(separator.as_str()).skip(1);
        let mut count = 0;
        let closed = parts.any(|part| part.starts_with("--"));
        if !closed {
            return Err(wrong("The last boundary is missing."));
        }
        for part in text.split(separator.as_str()).skip(1).take_while(|it| !it.starts_with("--")) {
            count += 1;
            if count > MOST_PARTS {
                return Err(wrong("The body has more than 20 parts."));
            }
            let (head, value) = part.split_once("\r\n\r\n").ok_or_else(|| wrong("A part has no head."))?;
            let disposition =
                head.lines().find(|it| it.to_ascii_lowercase().starts_with("content-disposition:")).unwrap_or_default();
            let parameter = |name: &str| {
                let at = disposition.find(&format!("; {name}=\""))? + name.len() + 4;
                disposition[at..].split('"').next()
            };
            if parameter("filename").is_some() {
                return Err(wrong("Files are not accepted."));
            }
            let name = parameter("name").ok_or_else(|| wrong("A part has no name."))?;
            self.add(name, value.strip_suffix("\r\n").unwrap_or(value).to_owned());
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let body = Bytes::from_request(request, state).await.map_err(|_| Refusal::TooLarge)?;
        if body.len() > MOST_BYTES {
            return Err(Refusal::TooLarge);
        }
        let mut parameters = kind.split(';').map(str::trim);
        let media_type = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let boundary = parameters.find_map(|it| it.strip_prefix("boundary=")).map(|it| it.trim_matches('"'));
        Self::read(&media_type, boundary, &body)
    }
}

/// A field that cannot be.
pub fn not_valid(name: &'static str, text: &str) -> Refusal {
    Refusal::Field(name, format!("The value '{}' is not valid for {name}.", text.chars().take(64).collect::<String>()))
}

fn wrong(why: &str) -> Refusal {
    Refusal::Field("", why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_say_the_same() {
        let multipart = "--xx\r\nContent-Disposition: form-data; name=\"webHookUrl\"\r\n\r\nhttps://a.example/\r\n--xx\r\nContent-Disposition: form-data; name=\"retryCount\"\r\n\r\n3\r\n--xx--\r\n";
        let urlencoded = "WEBHOOKURL=https%3A%2F%2Fa.example%2F&retryCount=3&retryCount=4&unknown=";
        let json = r#"{"webHookUrl":"https://a.example/","RetryCount":3,"x":null}"#;
        for (kind, body) in [
            ("multipart/form-data", multipart),
            ("application/x-www-form-urlencoded", urlencoded),
            ("application/json", json),
        ] {
            let form = Form::read(kind, Some("xx"), body.as_bytes()).unwrap();
            assert_eq!(form.text("WebHookUrl"), Some("https://a.example/"), "{kind}");
            assert_eq!(form.number("RetryCount", 5, 0, 20).unwrap(), 3, "{kind}");
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        let read = |kind: &str, body: &str| Form::read(kind, Some("xx"), body.as_bytes());
        assert!(matches!(read("text/plain", ""), Err(Refusal::MediaType(_))));
        for (kind, body) in [
            ("application/json", "[]"),
            ("application/json", "{\"a\":{}}"),
            ("application/json", "nonsense"),
            ("multipart/form-data", "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"),
            (
                "multipart/form-data",
                "--xx\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n--xx--",
            ),
            ("multipart/form-data", "--xx\r\nnothing\r\n--xx--"),
        ] {
            assert!(matches!(read(kind, body), Err(Refusal::Field(..))), "{body}");
        }
        let form = read("application/json", r#"{"a":"2,0","b":"21"}"#).unwrap();
        assert!(
            form.number("a", 1.0, 1.0, 10.0).is_err()
                && form.number("b", 0, 0, 20).is_err()
                && form.flag("a", true).is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn strangers_bodies_never_panic(body in ".{0,400}", boundary in "[a-z]{0,3}") {
            drop(Form::read("multipart/form-data", Some(&boundary), body.as_bytes()));
            drop(Form::read("application/json", None, body.as_bytes()));
        }
    }
}
