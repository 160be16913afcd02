//! Versions of Stripe's API (`Stripe-Version`), and those since which an answer looks different.

/// The version of requests without the header, and of events.
pub(crate) const LATEST: &str = "2026-10-28.endive";
/// Since this version periods are on the items of subscriptions (Stripe's changelog, Basil).
pub(crate) const BASIL: &str = "2025-03-31";
/// Since this version new subscriptions have the billing mode `flexible` (Stripe's changelog, Clover).
pub(crate) const CLOVER: &str = "2025-09-30";
/// Since this version `billing_cycle_anchor` is an object, and resume takes `payment_behavior` (Stripe's changelog, Endive).
pub(crate) const ENDIVE: &str = "2026-09-30";

/// A version: a date, and since 2024 the name of a release (`2026-10-28.endive`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiVersion(String);

impl ApiVersion {
    /// Reads a version; `None` for what is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, release) = text.split_once('.').unwrap_or((text, "x"));
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let is_release = !release.is_empty() && release.bytes().all(|it| it.is_ascii_lowercase());
        (is_date && is_release).then(|| Self(text.to_owned()))
    }

    /// The latest version.
    pub(crate) fn latest() -> Self {
        Self(LATEST.to_owned())
    }

    /// Whether it is older than the version of a date (`2025-03-31`).
    pub(crate) fn is_before(&self, date: &str) -> bool {
        self.0.get(..10).is_some_and(|it| it < date)
    }

    /// The version as it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_with_a_release() {
        for text in ["2026-10-28.endive", "2024-06-20", "2025-03-31.basil"] {
            assert_eq!(ApiVersion::parse(text).as_ref().map(ApiVersion::as_str), Some(text));
        }
        for text in ["", "latest", "2024-6-20", "2024-06-20.", "2024-06-20.Basil", "2024_06_20", "2024-06-20.basil.1"] {
            assert_eq!(ApiVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_date() {
        let is_before = |text: &str, date: &str| ApiVersion::parse(text).unwrap().is_before(date);
        assert!(is_before("2025-02-24.acacia", BASIL) && is_before("2024-06-20", BASIL));
        assert!(!is_before("2025-03-31.basil", BASIL) && !is_before(LATEST, ENDIVE));
        assert!(is_before("2025-08-27.basil", CLOVER) && !is_before("2025-09-30.clover", CLOVER));
    }
}
