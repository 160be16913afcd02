//! Lists: newest first, in pages.

use serde_json::{Value, json};

use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::request::Request;

/// The page that `limit` (10, at most 100), `starting_after` and `ending_before` ask for, of the objects that a filter
/// accepts.
///
/// # Errors
/// If a parameter is invalid, or names an object that is not there.
pub(crate) fn page(
    account: &Account,
    request: &Request,
    kind: &str,
    url: &str,
    accepts: impl Fn(&Value) -> bool,
) -> ApiResult {
    let limit = request.integer_in("/limit", 1, 100)?.unwrap_or(10);
    let limit = usize::try_from(limit).unwrap_or(10);
    let all: Vec<&Value> = account.all(kind).rev().collect();
    let position = |parameter: &str| match request.text(parameter) {
        None => Ok(None),
        Some(id) => match all.iter().position(|it| it["id"] == id) {
            Some(position) => Ok(Some(position)),
            None => Err(ApiError::no_such(kind, id, parameter.trim_start_matches('/'))),
        },
    };
    let accepted = |objects: &[&Value]| -> Vec<Value> {
        objects.iter().filter(|it| accepts(it)).map(|it| (*it).clone()).collect()
    };
    let (found, has_more): (Vec<Value>, bool) = match (position("/starting_after")?, position("/ending_before")?) {
        (None, Some(end)) => {
            let mut before = accepted(&all[..end]);
            let surplus = before.len().saturating_sub(limit);
            (before.split_off(surplus), surplus > 0)
        }
        (start, _) => {
            let mut after = accepted(&all[start.map_or(0, |it| it + 1)..]);
            let has_more = after.len() > limit;
            after.truncate(limit);
            (after, has_more)
        }
    };
    Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": found }))
}

/// Whether an object has the value of a parameter, if the request has the parameter.
pub(crate) fn has(request: &Request, parameter: &str, value: &Value) -> bool {
    request.text(parameter).is_none_or(|it| value == it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::decode;
    use crate::version::ApiVersion;

    #[test]
    fn pages_are_newest_first_and_follow_each_other() {
        let mut account = Account::open(None).unwrap();
        for number in 0..5 {
            account.put("price", json!({ "id": format!("p{number}"), "even": number % 2 == 0 }));
        }
        let list = |form: &str, accepts: fn(&Value) -> bool| {
            let request = Request { ids: Vec::new(), parameters: decode(form), version: ApiVersion::latest() };
            page(&account, &request, "price", "/v1/prices", accepts).map(|page| {
                let ids: Vec<String> =
                    page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
                (ids.join(" "), page["has_more"] == true)
            })
        };
        let check = |form: &str, want: (&str, bool)| assert_eq!(list(form, |_| true), Ok((want.0.to_owned(), want.1)));
        check("", ("p4 p3 p2 p1 p0", false));
        check("limit=2", ("p4 p3", true));
        check("limit=2&starting_after=p3", ("p2 p1", true));
        check("limit=2&starting_after=p1", ("p0", false));
        check("limit=2&ending_before=p1", ("p3 p2", true));
        check("limit=2&ending_before=p3", ("p4", false));
        let even = |form: &str| list(form, |it| it["even"] == true);
        assert_eq!(
            even("limit=1&starting_after=p3"),
            Ok(("p2".to_owned(), true)),
            "what is not accepted can be a cursor"
        );
        for form in ["limit=0", "limit=101", "limit=x", "starting_after=none"] {
            assert!(even(form).is_err(), "{form}");
        }
    }
}
