//! Request bodies of the channel API: form-data as documented, URL-encoded or JSON, with field names in any case
//! (section 4.1).

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{Method, header};
use entry::http::parse_number;
use serde_json::Value;

use crate::error::{ApiError, required};

/// Maximum size of a body in bytes, and maximum number of its parts.
const MAX_BYTES: usize = 64 * 1024;
const MAX_PARTS: usize = 20;

/// What a field was in its body. Forms hold texts alone, which also stand for numbers and booleans, as texts of JSON do
/// (section 4.1); a number or a boolean of JSON stands for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    Text,
    Number,
    Boolean,
    List,
}

/// Form fields by their name in lower case. The first of repeated fields counts; empty texts count as absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, (FieldKind, String)>);

impl Form {
    /// A form from texts that were parsed elsewhere, by their names in lower case.
    pub fn from_fields(fields: BTreeMap<String, String>) -> Self {
        let mut form = Self::default();
        fields.into_iter().for_each(|(name, text)| form.add(&name, FieldKind::Text, text));
        form
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(&name.to_ascii_lowercase())
    }

    /// A text field by its name in any case.
    ///
    /// # Errors
    /// 400 if it is a number, a boolean or a list of JSON.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.field(name, &[FieldKind::Text], "a string")
    }

    /// A text field that may be a number of JSON: its decimal text.
    ///
    /// # Errors
    /// 400 if it is a boolean or a list of JSON.
    pub fn text_or_number(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.field(name, &[FieldKind::Text, FieldKind::Number], "a string or a number")
    }

    /// A text field with commas, or a list of texts of JSON, which may be empty.
    ///
    /// # Errors
    /// 400 if it is a number or a boolean of JSON.
    pub fn list(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.field(name, &[FieldKind::Text, FieldKind::List], "a string or a list of strings")
    }

    /// A required text field.
    ///
    /// # Errors
    /// 400 if it is missing, or no text.
    pub fn required(&self, name: &'static str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| required(name))
    }

    /// A boolean field: `true` or `false`, in any case.
    ///
    /// # Errors
    /// 400 if it is something else.
    pub fn boolean(&self, name: &'static str, default: bool) -> Result<bool, ApiError> {
        let text = self.field(name, &[FieldKind::Text, FieldKind::Boolean], "true or false")?;
        match text.map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(invalid_value(name, other)),
        }
    }

    /// A numeric field within bounds. An integer may be written as `3.0`.
    ///
    /// # Errors
    /// 400 if it is no number, or out of its bounds.
    pub fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &'static str,
        default: T,
        min: T,
        max: T,
    ) -> Result<T, ApiError> {
        let text = self.field(name, &[FieldKind::Text, FieldKind::Number], "a number")?;
        let Some(text) = text else { return Ok(default) };
        let number: T = parse_number(text).map_err(|_| invalid_value(name, text))?;
        if number >= min && number <= max {
            Ok(number)
        } else {
            Err(ApiError::InvalidField(name, format!("The field {name} must be between {min} and {max}.")))
        }
    }

    /// A field of one of these kinds, which are `wanted`.
    fn field(&self, name: &'static str, kinds: &[FieldKind], wanted: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(&name.to_ascii_lowercase()) {
            None => Ok(None),
            Some((kind, text)) if kinds.contains(kind) => Ok(Some(text)),
            Some(_) => Err(ApiError::InvalidField(name, format!("The field {name} must be {wanted}."))),
        }
    }

    fn add(&mut self, name: &str, kind: FieldKind, value: String) {
        if kind != FieldKind::Text || !value.is_empty() {
            self.0.entry(name.to_ascii_lowercase()).or_insert((kind, value));
        }
    }

    fn parse(media_type: &str, body: &[u8]) -> Result<Self, ApiError> {
        let mut form = Self::default();
        match media_type {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(body)
                    .for_each(|(name, value)| form.add(&name, FieldKind::Text, value.into_owned()));
            }
            "application/json" => {
                let json: Value = serde_json::from_slice(body).map_err(|it| invalid_body(&it.to_string()))?;
                for (name, value) in json.as_object().ok_or_else(|| invalid_body("The body is not an object."))? {
                    match value {
                        Value::String(it) => form.add(name, FieldKind::Text, it.clone()),
                        Value::Number(it) => form.add(name, FieldKind::Number, it.to_string()),
                        Value::Bool(it) => form.add(name, FieldKind::Boolean, it.to_string()),
                        Value::Null => {}
                        // as responses show `types`
                        Value::Array(all) if all.iter().all(Value::is_string) => {
                            let texts: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                            form.add(name, FieldKind::List, texts.join(","));
                        }
                        Value::Array(_) | Value::Object(_) => {
                            let shown: String = name.chars().filter(|it| !it.is_control()).take(64).collect();
                            return Err(invalid_body(&format!("The field {shown} is neither text, number nor flag.")));
                        }
                    }
                }
            }
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(ApiError::MediaType(format!("The media type '{shown}' is not supported.")));
            }
        }
        Ok(form)
    }

    /// Parses RFC 7578 with quoted or unquoted names, as in .NET's `MultipartFormDataContent`.
    async fn multipart(mut parts: Multipart) -> Result<Self, ApiError> {
        let (mut form, mut count) = (Self::default(), 0);
        while let Some(part) = parts.next_field().await.map_err(|it| invalid_body(&it.body_text()))? {
            count += 1;
            if count > MAX_PARTS {
                return Err(invalid_body("The body has more than 20 parts."));
            }
            if part.file_name().is_some() {
                return Err(invalid_body("Files are not accepted."));
            }
            let name = part.name().ok_or_else(|| invalid_body("A part has no name."))?.to_owned();
            let value = part.bytes().await.map_err(|it| invalid_body(&it.body_text()))?;
            let text = String::from_utf8(value.into()).map_err(|_| invalid_body("The body is not UTF-8."))?;
            form.add(&name, FieldKind::Text, text);
        }
        Ok(form)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    /// A POST without a body has no fields.
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BYTES).await.map_err(|_| ApiError::TooLarge)?;
        if body.is_empty() && parts.method == Method::POST {
            return Ok(Self::default());
        }
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type != "multipart/form-data" {
            return Self::parse(&media_type, &body);
        }
        let multipart = Multipart::from_request(Request::from_parts(parts, Body::from(body)), state).await;
        Self::multipart(multipart.map_err(|it| invalid_body(&it.body_text()))?).await
    }
}

/// The error for an invalid field.
pub fn invalid_value(name: &'static str, text: &str) -> ApiError {
    ApiError::InvalidField(
        name,
        format!("The value '{}' is not valid for {name}.", text.chars().take(64).collect::<String>()),
    )
}

fn invalid_body(message: &str) -> ApiError {
    ApiError::InvalidField("", message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: impl Into<Body>) -> Result<Form, ApiError> {
        let request = Request::builder().method("PUT").header(header::CONTENT_TYPE, kind).body(body.into()).unwrap();
        Form::from_request(request, &()).await
    }

    const MULTIPART: &str = "multipart/form-data; boundary=xx";

    #[tokio::test]
    async fn four_forms_say_the_same() {
        let multipart = "--xx\r\nContent-Disposition: form-data; name=\"webHookUrl\"\r\n\r\nhttps://a.example/\r\n--xx\r\nContent-Disposition: form-data; name=\"retryCount\"\r\n\r\n3\r\n--xx--\r\n";
        // as .NET's MultipartFormDataContent sends it
        let unquoted = "--xx\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=webHookUrl\r\n\r\nhttps://a.example/\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=retryCount\r\n\r\n3\r\n--xx--\r\n";
        let urlencoded = "WEBHOOKURL=https%3A%2F%2Fa.example%2F&retryCount=3&retryCount=4&unknown=";
        let json = r#"{"webHookUrl":"https://a.example/","RetryCount":3,"x":null}"#;
        for (kind, body) in [
            (MULTIPART, multipart),
            ("Multipart/Form-Data; boundary=\"xx\"", unquoted),
            ("application/x-www-form-urlencoded", urlencoded),
            ("application/json; x-api-version=1.0", json),
        ] {
            let form = read(kind, body).await.unwrap();
            assert_eq!(form.text("WebHookUrl").unwrap(), Some("https://a.example/"), "{body}");
            assert_eq!(form.number("RetryCount", 5, 0, 20).unwrap(), 3, "{body}");
        }
    }

    #[tokio::test]
    async fn whole_numbers_are_those_of_json_schema_in_every_form() {
        let part = |value: &str| {
            format!("--xx\r\nContent-Disposition: form-data; name=\"retryCount\"\r\n\r\n{value}\r\n--xx--\r\n")
        };
        for (value, want) in [("3", Some(3_u8)), ("3.0", Some(3)), ("3e0", Some(3)), ("3.5", None), ("21.0", None)] {
            for (kind, body) in [
                (MULTIPART, part(value)),
                ("application/x-www-form-urlencoded", format!("retryCount={value}")),
                ("application/json", format!("{{\"retryCount\":{value}}}")),
                ("application/json", format!("{{\"retryCount\":\"{value}\"}}")),
            ] {
                let number = read(kind, body).await.unwrap().number("RetryCount", 5, 0, 20);
                match (number, want) {
                    (Ok(number), Some(want)) => assert_eq!(number, want, "{kind}: {value}"),
                    (Err(ApiError::InvalidField(name, _)), None) => assert_eq!(name, "RetryCount", "{kind}: {value}"),
                    (other, _) => panic!("{kind}: {value}: {:?}", other.ok()),
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_none_of_them_is_refused() {
        assert!(matches!(read("text/plain", "").await, Err(ApiError::MediaType(_))));
        for (kind, body) in [
            ("application/json", "[]"),
            ("application/json", "{\"a\":{}}"),
            ("application/json", "nonsense"),
            (MULTIPART, "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"),
            (MULTIPART, "--xx\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n--xx--"),
            (MULTIPART, "--xx\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xx--"),
            (MULTIPART, "--xx\r\nnothing\r\n--xx--"),
            ("multipart/form-data", "--xx--"),
        ] {
            assert!(matches!(read(kind, body).await, Err(ApiError::InvalidField(..))), "{kind}: {body}");
        }
        let part = "--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
        assert!(read(MULTIPART, part.repeat(MAX_PARTS) + "--xx--").await.is_ok());
        assert!(matches!(
            read(MULTIPART, part.repeat(MAX_PARTS + 1) + "--xx--").await,
            Err(ApiError::InvalidField(..))
        ));
        assert!(matches!(read("application/json", vec![b' '; MAX_BYTES + 1]).await, Err(ApiError::TooLarge)));
        let bytes = b"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--xx--";
        assert!(matches!(read(MULTIPART, &bytes[..]).await, Err(ApiError::InvalidField(..))));
        let form = read("application/json", r#"{"a":"2,0","b":"21"}"#).await.unwrap();
        assert!(
            form.number("a", 1.0, 1.0, 10.0).is_err()
                && form.number("b", 0, 0, 20).is_err()
                && form.boolean("a", true).is_err()
        );
    }

    #[tokio::test]
    async fn a_value_of_json_stands_for_its_own_kind_alone() {
        // the value, and whether it is taken for a text, a text or a number, a list, a number, and a boolean
        for (value, want) in [
            (r#""3""#, [true, true, true, true, false]),
            (r#""true""#, [true, true, true, false, true]),
            ("3", [false, true, false, true, false]),
            ("true", [false, false, false, false, true]),
            (r#"["a","b"]"#, [false, false, true, false, false]),
            ("[]", [false, false, true, false, false]),
            ("null", [true; 5]),
            (r#""""#, [true; 5]),
        ] {
            let form = read("application/json", format!(r#"{{"Field":{value}}}"#)).await.unwrap();
            let taken = [
                form.text("Field").is_ok(),
                form.text_or_number("Field").is_ok(),
                form.list("Field").is_ok(),
                form.number("Field", 3, 0, 9).is_ok(),
                form.boolean("Field", true).is_ok(),
            ];
            assert_eq!(taken, want, "{value}");
            assert_eq!(form.has("FIELD"), !["null", r#""""#].contains(&value), "{value}");
        }
        let list = read("application/json", r#"{"types":["item.*","scan.failed"],"none":[]}"#).await.unwrap();
        assert_eq!(list.list("Types").unwrap(), Some("item.*,scan.failed"), "as an answer shows it");
        assert_eq!(list.list("None").unwrap(), Some(""));
        let refused =
            read("application/json", r#"{"username":false}"#).await.unwrap().required("Username").unwrap_err();
        assert_eq!(refused.to_string(), "The field Username must be a string.");
    }

    #[tokio::test]
    async fn a_post_may_say_nothing() {
        let nothing = Request::builder().method("POST").body(Body::empty()).unwrap();
        assert_eq!(Form::from_request(nothing, &()).await.unwrap(), Form::default());
    }

    proptest::proptest! {
        #[test]
        fn strangers_bodies_never_panic(body in ".{0,400}", boundary in "[a-z]{0,3}") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                drop(read(&format!("multipart/form-data; boundary={boundary}"), body.clone()).await);
                drop(read("application/json", body).await);
            });
        }
    }
}
