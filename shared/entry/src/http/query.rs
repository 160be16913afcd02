//! Query parameters: a wrong one is a problem that names it.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{Problem, rule};

/// Parsed parameters. An unknown one or one that cannot be is answered with 422.
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri)
    }
}

fn read<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<Parameters<T>, Problem> {
    Query::try_from_uri(uri).map(|it| Parameters(it.0)).map_err(|it| {
        // `Failed to deserialize query string: limit: invalid digit found in string`
        let text = it.body_text();
        let why = text.split_once(": ").map_or(text.as_str(), |it| it.1);
        match why.split_once(": ").filter(|it| !it.0.contains(' ')) {
            Some((name, why)) => rule::broken(name, why),
            None => rule::broken("", why),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: Option<usize>,
        read: Option<bool>,
    }

    #[test]
    fn a_parameter_that_cannot_be_is_named() {
        let read = |query: &str| read::<Filter>(&format!("/x?{query}").parse().unwrap());
        let Parameters(good) = read("limit=5&read=true").unwrap_or_else(|it| panic!("{it:?}"));
        assert_eq!((good.limit, good.read), (Some(5), Some(true)));
        for (query, field, title) in [
            ("limit=x", "limit", "a whole number is expected"),
            ("limit=-1", "limit", "a whole number is expected"),
            ("limit=99999999999999999999", "limit", "the number is too large"),
            ("read=maybe", "read", "`true` or `false` is expected"),
        ] {
            let Err(problem) = read(query) else { panic!("{query} is taken") };
            assert_eq!((problem.status, problem.field.as_deref(), problem.title.as_str()), (422, Some(field), title));
        }
        let Err(unknown) = read("limti=5") else { panic!("it is taken") };
        assert_eq!(unknown.field.as_deref(), Some("limti"));
    }
}
