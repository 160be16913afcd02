//! Numbers of bodies that lie within bounds.

use std::fmt::Display;

use entry::http::Problem;

/// A number from `least` to `most`, or the default if it is absent.
///
/// # Errors
/// 422 with the bounds.
pub(crate) fn within<T: PartialOrd + Display + Copy>(
    field: &str,
    value: Option<T>,
    default: T,
    least: T,
    most: T,
) -> Result<T, Problem> {
    match value.unwrap_or(default) {
        value if (least..=most).contains(&value) => Ok(value),
        _ => Err(Problem::invalid(field, format!("{least} to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_included_and_named() {
        for (value, want) in
            [(None, Ok(60)), (Some(1), Err(())), (Some(2), Ok(2)), (Some(99), Ok(99)), (Some(100), Err(()))]
        {
            let taken = within("fullWalkEvery", value, 60_u32, 2, 99);
            assert_eq!(taken.as_ref().copied().map_err(|_| ()), want, "{value:?}");
            if let Err(problem) = taken {
                assert_eq!((problem.field.as_deref(), problem.reason()), (Some("fullWalkEvery"), "2 to 99"));
            }
        }
    }
}
