//! An extractor of query parameters: an invalid one is a problem that names it.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::integer::parse_number;
use super::problem::Problem;
use super::serde_problem;

/// Parsed query parameters. An unknown or invalid one is answered with 422.
pub struct QueryParams<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri)
    }
}

fn read<T: DeserializeOwned>(uri: &Uri) -> Result<QueryParams<T>, Problem> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let pairs = MapDeserializer::new(pairs.map(|(name, value)| (name, Text(value))));
    serde_problem::deserialize(pairs).map(QueryParams)
}

/// The text of a parameter, which deserialises as the type that is asked for.
struct Text<'a>(Cow<'a, str>);

impl<'de> IntoDeserializer<'de, Error> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $parse:expr;)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                visitor.$visit($parse(&self.0).map_err(Error::custom)?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.into_deserializer().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.into_deserializer().deserialize_enum(name, variants, visitor)
    }

    parsed! {
        deserialize_bool visit_bool str::parse;
        deserialize_i8 visit_i8 parse_number;
        deserialize_i16 visit_i16 parse_number;
        deserialize_i32 visit_i32 parse_number;
        deserialize_i64 visit_i64 parse_number;
        deserialize_u8 visit_u8 parse_number;
        deserialize_u16 visit_u16 parse_number;
        deserialize_u32 visit_u32 parse_number;
        deserialize_u64 visit_u64 parse_number;
        deserialize_f32 visit_f32 parse_number;
        deserialize_f64 visit_f64 parse_number;
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
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
        let QueryParams(good) = read("limit=5&read=true").unwrap_or_else(|it| panic!("{it:?}"));
        assert_eq!((good.limit, good.read), (Some(5), Some(true)));
        for whole in ["limit=5.0", "limit=5e0"] {
            let QueryParams(good) = read(whole).unwrap_or_else(|it| panic!("{it:?}"));
            assert_eq!((good.limit, good.read), (Some(5), None), "{whole}: a whole number of JSON Schema's");
        }
        for (query, field, title) in [
            ("limit=x", "limit", "a whole number is expected"),
            ("limit=-1", "limit", "a whole number is expected"),
            ("limit=3.5", "limit", "a whole number is expected"),
            ("limit=", "limit", "a whole number is expected"),
            ("limit=1&limit=2", "limit", "it is given twice"),
            ("limit=99999999999999999999", "limit", "the number is too large"),
            ("read=maybe", "read", "`true` or `false` is expected"),
        ] {
            let Err(problem) = read(query) else { panic!("{query} is taken") };
            assert_eq!((problem.status, problem.field.as_deref(), problem.reason()), (422, Some(field), title));
        }
        let Err(unknown) = read("limti=5") else { panic!("it is taken") };
        assert_eq!(unknown.field.as_deref(), Some("limti"));
    }
}
