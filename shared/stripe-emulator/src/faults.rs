//! Faults that tests switch on: requests that are delayed, dropped, or answered with an error.

use serde::{Deserialize, Serialize};

/// A fault. What a member leaves out matches everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    method: String,
    #[serde(default)]
    path_prefix: String,
    /// A text in the path, the parameters, or the idempotency key.
    #[serde(default)]
    contains: String,
    /// The number of requests that it still applies to.
    #[serde(default = "one")]
    times: u32,
    /// How long the request takes, in milliseconds.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// When the connection is dropped, instead of an answer.
    pub(crate) drop: Option<Moment>,
    /// The status that is answered with.
    pub(crate) status: Option<u16>,
    /// When the answer with `status` is given.
    #[serde(default)]
    pub(crate) when: Moment,
}

/// Before or after a request is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Moment {
    #[default]
    Before,
    After,
}

fn one() -> u32 {
    1
}

impl Fault {
    /// Whether it applies to a request: its method, its path, and a text that holds all that `contains` looks at.
    fn matches(&self, method: &str, path: &str, text: &str) -> bool {
        (self.method.is_empty() || self.method == method)
            && path.starts_with(&self.path_prefix)
            && text.contains(&self.contains)
    }

    /// When a failure of a kind happens: `None` if it does not.
    pub(crate) fn status_at(&self, moment: Moment) -> Option<u16> {
        self.status.filter(|_| self.when == moment)
    }
}

/// Takes the first fault that applies to a request, once.
pub(crate) fn take(faults: &mut Vec<Fault>, method: &str, path: &str, text: &str) -> Option<Fault> {
    let fault = faults.iter_mut().find(|it| it.times > 0 && it.matches(method, path, text))?;
    fault.times -= 1;
    let taken = fault.clone();
    faults.retain(|it| it.times > 0);
    Some(taken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_applies_to_so_many_requests_that_it_matches() {
        let fault =
            json!({ "method": "POST", "path_prefix": "/v1/sub", "contains": "cus_1", "times": 2, "status": 500 });
        let mut faults = vec![serde_json::from_value::<Fault>(fault).unwrap()];
        assert!(take(&mut faults, "GET", "/v1/subscriptions", "cus_1").is_none());
        assert!(take(&mut faults, "POST", "/v1/customers", "cus_1").is_none());
        assert!(take(&mut faults, "POST", "/v1/subscriptions", "cus_2").is_none());
        for _ in 0..2 {
            let taken = take(&mut faults, "POST", "/v1/subscriptions", "customer=cus_1").unwrap();
            assert_eq!((taken.status_at(Moment::Before), taken.status_at(Moment::After)), (Some(500), None));
        }
        assert!(take(&mut faults, "POST", "/v1/subscriptions", "cus_1").is_none() && faults.is_empty());
        assert!(serde_json::from_value::<Fault>(json!({ "statsu": 500 })).is_err());
    }
}
