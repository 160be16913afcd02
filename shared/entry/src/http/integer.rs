//! Integers as JSON Schema defines them: any number with a zero fractional part, so that `3.0` and `3e0` are 3 (JSON Schema
//! 2020-12 Validation, section 6.1.1). They are read so in JSON bodies, form fields and query parameters.

use std::str::FromStr;

use serde_json::Value;

/// The value of an integer that is written with a fraction or an exponent; `None` for all other values, and above 2^53,
/// where a double is not exact.
pub fn as_integer(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    let number = value.as_number().filter(|it| it.is_f64())?.as_f64()?;
    if number.fract() == 0.0 && number.abs() <= EXACT { format!("{number:.0}").parse().ok() } else { None }
}

/// Parses the text of a form field or a query parameter as a number.
///
/// # Errors
/// The error of the type's own parser, if the text is not an integer of JSON Schema either.
pub fn parse_number<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.parse().or_else(|error| match serde_json::from_str(text).ok().as_ref().and_then(as_integer) {
        Some(number) => number.to_string().parse(),
        None => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_may_have_a_fraction_of_nothing() {
        for (text, want) in [
            ("3", Some(3_u32)),
            ("3.0", Some(3)),
            ("3.000", Some(3)),
            ("3e2", Some(300)),
            ("0.3e1", Some(3)),
            ("-0.0", Some(0)),
            ("4294967295.0", Some(u32::MAX)),
            ("4294967296.0", None),
            ("3.5", None),
            ("-1.0", None),
            ("3.", None),
            ("3,0", None),
            ("\"3.0\"", None),
            ("1e400", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_number::<u32>(text).ok(), want, "{text}");
        }
        assert_eq!(parse_number::<f64>("3.5"), Ok(3.5), "no whole number is wanted");
        assert_eq!(parse_number::<u64>("9007199254740993"), Ok(9_007_199_254_740_993), "exact where no fraction is");
        assert_eq!(
            [json!(-2.0), json!(2.5), json!(2), json!(1e16)].map(|it| as_integer(&it)),
            [Some(-2), None, None, None]
        );
    }
}
