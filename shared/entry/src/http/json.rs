//! An extractor of JSON bodies: an invalid one is a problem that names the field.

mod strict;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::strict::Strict;
use super::problem::{Problem, ProblemType};
use super::serde_problem;

/// The most bytes of a JSON body.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// A parsed body. An unknown field, a missing one or a wrong type is answered with 422, malformed JSON with 400, another
/// media type with 415. A POST without a body is read as `{}`; a PUT must have one.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
        let post = request.method() == Method::POST;
        let too_large = || Problem::new(ProblemType::TooLarge, format!("a body has at most {MAX_BODY_BYTES} bytes"));
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        if bytes.is_empty() && post {
            return read(&json!({})).map(Self);
        }
        if media_type != "application/json" {
            let title = "send the body as application/json";
            return Err(Problem::new(ProblemType::MediaType, title));
        }
        if bytes.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        let not_json = |error: serde_json::Error| Problem::new(ProblemType::NotJson, error.to_string());
        read(&serde_json::from_slice(&bytes).map_err(not_json)?).map(Self)
    }
}

/// Deserialises a JSON value. An array does not stand for a struct.
///
/// # Errors
/// A problem that names the field by its path, `buckets[0].endpoint`.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    serde_problem::deserialize(Strict(value))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        name: String,
        inner: Vec<Inner>,
        one: Option<Inner>,
        kind: Option<Kind>,
        any: Value,
        ratio: Option<f32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        number: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Plain,
    }

    #[test]
    fn what_fits_is_read_as_serde_reads_it() {
        for value in [
            json!({}),
            json!({ "name": "a", "inner": [{ "number": 1 }, { "number": 255 }], "one": { "number": 0 }, "kind": "plain" }),
            json!({ "one": null, "any": [1, { "a": [null, 1.5, "x"] }], "ratio": 2 }),
            json!({ "any": null, "ratio": 0.25 }),
        ] {
            let want: Outer = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(read::<Outer>(&value).unwrap(), want, "{value}");
        }
        assert_eq!(read::<Value>(&json!([1, { "a": 2 }])).unwrap(), json!([1, { "a": 2 }]));
        assert_eq!(read::<Inner>(&json!({ "number": 3.0 })).unwrap(), Inner { number: 3 }, "a whole number");
        assert_eq!(read::<Value>(&json!(3.0)).unwrap(), json!(3.0), "what is only passed on stays as it is");
    }

    #[tokio::test]
    async fn a_post_may_say_nothing() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        struct Free {
            minutes: Option<u32>,
        }
        let request = |method: &str, kind: &str, body: &'static str| {
            let request = Request::builder().method(method).header(header::CONTENT_TYPE, kind);
            request.body(axum::body::Body::from(body)).unwrap()
        };
        let free = async |method, kind, body| JsonBody::<Free>::from_request(request(method, kind, body), &()).await;
        assert_eq!(free("POST", "", "").await.unwrap().0, Free::default());
        assert_eq!(free("POST", "application/json", "").await.unwrap().0, Free::default());
        assert_eq!(free("POST", "text/plain", "{}").await.err().unwrap().status, 415);
        assert_eq!(free("PUT", "", "").await.err().unwrap().status, 415);
        assert_eq!(free("PUT", "application/json", "").await.err().unwrap().status, 400);
        let inner = JsonBody::<Inner>::from_request(request("POST", "", ""), &()).await;
        assert_eq!(inner.err().unwrap().status, 422, "what must be there is missed");
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        for (value, field) in [
            (json!(["a", []]), None),
            (json!({ "inner": [[1]] }), Some("inner[0]")),
            (json!({ "inner": [{ "number": 1 }, { "number": 256 }] }), Some("inner[1].number")),
            (json!({ "inner": [{ "number": 1.5 }] }), Some("inner[0].number")),
            (json!({ "inner": [{ "number": -1.0 }] }), Some("inner[0].number")),
            (json!({ "one": [1] }), Some("one")),
            (json!({ "one": {} }), Some("one.number")),
            (json!({ "name": 1 }), Some("name")),
            (json!({ "kind": "other" }), Some("kind")),
            (json!("a"), None),
            (json!(null), None),
        ] {
            let problem = read::<Outer>(&value).unwrap_err();
            assert_eq!((problem.status, problem.field.as_deref()), (422, field), "{value}: {}", problem.detail);
        }
        let unknown = read::<Outer>(&json!({ "nmae": "a" })).unwrap_err();
        assert!(unknown.reason().contains("nmae"), "{}", unknown.reason());
        assert_eq!(unknown.field.as_deref(), Some("nmae"));
        let too_much = read::<Outer>(&json!({ "inner": [{ "number": 256 }] })).unwrap_err();
        assert_eq!(too_much.detail, "inner[0].number: a whole number from 0 to 255 is expected");
    }
}
