//! Parameters of requests: forms and JSON bodies, and the query. An empty one, and `null`, is absent.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Uri, header};
use domain::billing::plans::Cycle;
use serde_json::Value;

use crate::answer::Fault;

/// The parameter that holds the token of clients that send no header.
pub(crate) const ACCESS_TOKEN: &str = "access_token";

/// Parameters by their names. The first of repeated ones counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// The parameters of a query.
    pub(crate) fn of_query(uri: &Uri) -> Self {
        Self::of_form(uri.query().unwrap_or_default().as_bytes())
    }

    /// The parameters of a body: JSON by its media type, or else a form.
    ///
    /// # Errors
    /// 1003 if it is neither.
    pub(crate) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, Fault> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            _ if body.is_empty() => Ok(Self::default()),
            "application/json" => Self::of_json(body),
            "" | "application/x-www-form-urlencoded" => Ok(Self::of_form(body)),
            _ => Err(Fault::unknown_value("the body", "a form, or JSON")),
        }
    }

    fn of_form(text: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            params.add(&name, value.into_owned());
        }
        params
    }

    fn of_json(body: &[u8]) -> Result<Self, Fault> {
        let not_json = || Fault::unknown_value("the body", "a JSON object");
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return Err(not_json()) };
        let mut params = Self::default();
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::Bool(flag) => params.add(&name, flag.to_string()),
                Value::Number(number) => params.add(&name, number.to_string()),
                Value::String(text) => params.add(&name, text),
                Value::Array(_) | Value::Object(_) => return Err(not_json()),
            }
        }
        Ok(params)
    }

    fn add(&mut self, name: &str, value: String) {
        if !value.is_empty() && value != "null" {
            self.0.entry(name.to_owned()).or_insert(value);
        }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A text that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name).ok_or_else(|| Fault::missing(name))
    }

    /// A text of at most so many characters.
    pub(crate) fn bounded(&self, name: &str, max_chars: usize) -> Result<Option<&str>, Fault> {
        let text = self.text(name);
        if text.is_some_and(|it| it.chars().count() > max_chars) {
            return Err(Fault::out_of_bounds(name, &format!("of at most {max_chars} characters")));
        }
        Ok(text)
    }

    /// A whole number from 1 to `max`.
    pub(crate) fn number(&self, name: &str, max: u32) -> Result<Option<u32>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = entry::http::parse_number::<u32>(text).ok().filter(|it| (1..=max).contains(it));
        number.map(Some).ok_or_else(|| Fault::out_of_bounds(name, &format!("1 to {max}")))
    }

    /// A flag: `true`, `false`, `1` or `0`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Fault::unknown_value(name, "`true`, `false`, `1` or `0`")),
        }
    }

    /// A cycle.
    pub(crate) fn cycle(&self) -> Result<Option<Cycle>, Fault> {
        let Some(text) = self.text("cycle") else { return Ok(None) };
        let cycle = Cycle::ALL.into_iter().find(|it| it.name() == text);
        cycle.map(Some).ok_or_else(|| Fault::unknown_value("cycle", "`null`, `month` or `year`"))
    }

    /// An id of Stripe's that begins with one of these words.
    pub(crate) fn provider_id(&self, name: &str, prefixes: &[&str]) -> Result<Option<&str>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_id = text.len() <= 255 && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        if is_id && prefixes.iter().any(|it| text.starts_with(it)) {
            return Ok(Some(text));
        }
        Err(Fault::unknown_value(name, &format!("an id that begins with {}", prefixes.join(" or "))))
    }

    /// The parameters as one text, the same for the same request in any form; without the token.
    pub(crate) fn canonical(&self) -> String {
        let named = self.0.iter().filter(|it| it.0 != ACCESS_TOKEN);
        named.map(|(name, value)| format!("{}={}\n", name.replace('=', "%3D"), value.replace('\n', "%0A"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, body: &str) -> Result<Params, Fault> {
        let headers = [(header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
        Params::of_body(&headers, body.as_bytes())
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let form = "product=publish&plan=pro&quantity=2&atPeriodEnd=false&cycle=null&cta=&product=analyze";
        let json = r#"{"atPeriodEnd":false,"cta":null,"cycle":null,"plan":"pro","product":"publish","quantity":2}"#;
        let form_read = read("application/x-www-form-urlencoded; charset=UTF-8", form).unwrap();
        let json_read = read("Application/JSON", json).unwrap();
        assert_eq!((&form_read, form_read.canonical()), (&json_read, json_read.canonical()));
        assert_eq!(form_read.text("product"), Some("publish"));
        assert_eq!((form_read.number("quantity", 10), form_read.flag("atPeriodEnd")), (Ok(Some(2)), Ok(Some(false))));
        assert_eq!((form_read.cycle(), form_read.text("cta")), (Ok(None), None));
        assert_eq!(read("", form).unwrap(), form_read, "as `curl --data-binary` without a type");
        assert_eq!(read("text/plain", "").unwrap(), Params::default());
    }

    #[test]
    fn the_token_is_no_part_of_what_a_request_says() {
        let with = read("", "product=a&access_token=secret").unwrap();
        assert_eq!(with.canonical(), "product=a\n");
        let (one, other) = (read("", "a=b%0Ac%3Dd"), read("", "a=b&c=d"));
        assert_ne!(one.unwrap().canonical(), other.unwrap().canonical());
    }

    #[test]
    fn what_is_not_taken_is_refused_by_its_code() {
        for (kind, body) in [
            ("application/json", "[]"),
            ("application/json", "{"),
            ("application/json", r#"{"product":["publish"]}"#),
            ("application/json", r#"{"product":{}}"#),
            ("text/xml", "<a/>"),
            ("multipart/form-data; boundary=b", "--b--"),
        ] {
            let fault = read(kind, body).unwrap_err();
            assert_eq!((fault.status, fault.code), (400, 1003), "{kind} {body}");
        }
        let params = read("", "n=0&m=11&x=many&f=maybe&cycle=week&t=tok_a/b&p=tok_1&h=3.0&g=TRUE").unwrap();
        let code = |fault: Result<Option<u32>, Fault>| fault.unwrap_err().code;
        assert_eq!(
            [code(params.number("n", 10)), code(params.number("m", 10)), code(params.number("x", 10))],
            [1006; 3]
        );
        assert_eq!((params.number("h", 10), params.flag("g")), (Ok(Some(3)), Ok(Some(true))));
        assert_eq!((params.flag("f").unwrap_err().code, params.cycle().unwrap_err().code), (1003, 1003));
        assert_eq!(params.provider_id("t", &["tok_"]).unwrap_err().code, 1003);
        assert_eq!(params.provider_id("p", &["pm_"]).unwrap_err().code, 1003);
        assert_eq!(params.provider_id("p", &["pm_", "tok_"]), Ok(Some("tok_1")));
        assert_eq!(
            (params.required("nothing").unwrap_err().code, params.bounded("x", 3).unwrap_err().code),
            (1004, 1006)
        );
    }
}
