//! The table of endpoints: what a method and a path run, and which parameters they take.

use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::form::{bracketed, names};
use crate::request::Request;

/// An endpoint of the API.
pub(crate) struct Endpoint {
    /// `GET`, `POST` or `DELETE`.
    pub(crate) method: &'static str,
    /// The path; a `{}` stands for an id.
    pub(crate) path: &'static str,
    /// The parameters beside `expand`: segments joined by dots, where a `*` stands for an index or a key.
    pub(crate) parameters: &'static [&'static str],
    /// What it does. The changes of one that fails are undone.
    pub(crate) run: fn(&mut Account, &Request) -> ApiResult,
}

impl Endpoint {
    /// The ids in a path, if the endpoint has a method and this path.
    pub(crate) fn ids(&self, method: &str, path: &str) -> Option<Vec<String>> {
        let (pattern, path): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        if self.method != method || pattern.len() != path.len() {
            return None;
        }
        let mut ids = Vec::new();
        for (expected, given) in pattern.into_iter().zip(path) {
            match expected {
                "{}" if !given.is_empty() => ids.push(given.to_owned()),
                _ if expected == given => {}
                _ => return None,
            }
        }
        Some(ids)
    }

    /// Refuses parameters that the endpoint does not take.
    ///
    /// # Errors
    /// `parameter_unknown`, with the first of them.
    pub(crate) fn check(&self, request: &Request) -> Result<(), ApiError> {
        let is_known = |name: &[&str]| {
            self.parameters.iter().chain(&["expand.*"]).any(|pattern| {
                let mut segments = pattern.split('.');
                name.iter().all(|it| segments.next().is_some_and(|pattern| pattern == "*" || pattern == *it))
                    && segments.next().is_none()
            })
        };
        match names(&request.parameters).iter().find(|it| !is_known(it)) {
            Some(name) => Err(ApiError::unknown(&bracketed(name))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::form::decode;
    use crate::version::ApiVersion;

    const ENDPOINT: Endpoint = Endpoint {
        method: "POST",
        path: "/v1/subscriptions/{}/resume",
        parameters: &["items.*.price", "metadata", "metadata.*", "quantity"],
        run: |_, _| Ok(Value::Null),
    };

    #[test]
    fn a_path_has_ids_where_the_pattern_has_a_placeholder() {
        let ids = |method: &str, path: &str| ENDPOINT.ids(method, path);
        assert_eq!(ids("POST", "/v1/subscriptions/sub_1/resume"), Some(vec!["sub_1".to_owned()]));
        assert_eq!(ids("GET", "/v1/subscriptions/sub_1/resume"), None);
        for path in ["/v1/subscriptions//resume", "/v1/subscriptions/sub_1", "/v1/subscriptions/sub_1/resume/"] {
            assert_eq!(ids("POST", path), None, "{path}");
        }
    }

    #[test]
    fn parameters_that_are_not_in_the_table_are_refused_by_name() {
        let unknown = |form: &str| {
            let request = Request { ids: Vec::new(), parameters: decode(form), version: ApiVersion::latest() };
            ENDPOINT.check(&request).err().map(|it| it.error["param"].as_str().unwrap_or_default().to_owned())
        };
        for form in ["", "items[0][price]=a&metadata[x]=1&quantity=2", "metadata=", "expand[]=customer"] {
            assert_eq!(unknown(form), None, "{form}");
        }
        for (form, want) in [
            ("quantiy=1", "quantiy"),
            ("items[0][plan]=a", "items[0][plan]"),
            ("items=a", "items"),
            ("quantity[a]=1", "quantity[a]"),
            ("metadata[a][b]=1", "metadata[a][b]"),
            ("{\"quantity\":1}", "{\"quantity\":1}"),
        ] {
            assert_eq!(unknown(form).as_deref(), Some(want), "{form}");
        }
    }
}
