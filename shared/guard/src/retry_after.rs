//! The `Retry-After` of a response.

use domain::delivery::MAX_DELAY;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// `Retry-After` in seconds, [`MAX_DELAY`] at most (RFC 9110, section 10.2.3): a number (a fraction is rounded up), or a date
/// in any of the three forms of section 5.6.7; a date in the past is 0. A date is relative to the response's own `Date` if it
/// has one, since the server's clock may differ from ours. `None` if there is none, or none that is valid; a negative number
/// is not.
pub fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let max = MAX_DELAY.whole_seconds();
    if text.starts_with(|it: char| it.is_ascii_digit())
        && let Ok(number) = text.parse::<f64>()
    {
        return Some(number.ceil().min(max as f64) as u64);
    }
    let date = parse_date(text)?;
    let server_date = headers.get(DATE).and_then(|it| parse_http_date(it.to_str().ok()?));
    u64::try_from((date - server_date.unwrap_or(now)).whole_seconds().clamp(0, max)).ok()
}

/// An HTTP date, or one of RFC 2822, which may have another zone than GMT.
fn parse_date(text: &str) -> Option<OffsetDateTime> {
    parse_http_date(text).or_else(|| OffsetDateTime::parse(text, &Rfc2822).ok())
}

fn parse_http_date(text: &str) -> Option<OffsetDateTime> {
    httpdate::parse_http_date(text).ok().map(OffsetDateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 12:00:00 GMT
    const NOW: i64 = 1_795_262_400;

    fn check(headers: &[(&str, &str)], want: Option<u64>) {
        let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        assert_eq!(retry_after(&map, now), want, "{headers:?}");
    }

    #[test]
    fn each_form_is_read_and_bounded() {
        for (value, want) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("1.2", Some(2)),
            (" 120 ", Some(120)),
            ("99999999999999999999999999", Some(86_400)),
            ("1e300", Some(86_400)),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
            ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),    // IMF-fixdate
            ("Saturday, 21-Nov-26 12:01:00 GMT", Some(60)), // RFC 850
            ("Sat Nov 21 12:01:00 2026", Some(60)),         // asctime
            ("Sun Nov  1 12:01:00 2026", Some(0)),
            ("Sat, 21 Nov 2026 13:01:00 +0100", Some(60)),
            ("Sat, 21 Nov 2020 12:01:00 GMT", Some(0)),
            ("Sat, 21 Nov 2099 12:01:00 GMT", Some(86_400)),
            ("Sat, 99 Nov 2026 12:01:00 GMT", None),
        ] {
            check(&[("retry-after", value)], want);
        }
        check(&[], None);
    }

    /// A server that is an hour ahead asks for a minute, not for an hour and a minute.
    #[test]
    fn a_date_is_held_against_the_servers_own_clock() {
        let ahead = [("date", "Sat, 21 Nov 2026 13:00:00 GMT"), ("retry-after", "Sat, 21 Nov 2026 13:01:00 GMT")];
        check(&ahead, Some(60));
        check(&[("date", "nonsense"), ahead[1]], Some(3_660));
    }
}
