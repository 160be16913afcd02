//! Which endpoint a path names.

use axum::http::Method;

use crate::answer::Fault;

/// The path of all endpoints.
const ROOT: &str = "/1/billing/";

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Retrieve,
    StartTrial,
    CancelTrial,
    StartOrUpdate,
    Cancel,
    Plans,
    Limits,
    /// Stripe's, which has no extension.
    Webhook,
}

impl Endpoint {
    const ALL: [Self; 8] = [
        Self::Retrieve,
        Self::StartTrial,
        Self::CancelTrial,
        Self::StartOrUpdate,
        Self::Cancel,
        Self::Plans,
        Self::Limits,
        Self::Webhook,
    ];

    /// Its name in the path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieve-billing-data",
            Self::StartTrial => "start-trial",
            Self::CancelTrial => "cancel-trial",
            Self::StartOrUpdate => "start-or-update-subscription",
            Self::Cancel => "cancel-subscription",
            Self::Plans => "plans",
            Self::Limits => "limits",
            Self::Webhook => "stripe-webhook",
        }
    }

    fn method(self) -> (Method, &'static str) {
        match self {
            Self::Retrieve | Self::Plans | Self::Limits => (Method::GET, "GET,HEAD"),
            _ => (Method::POST, "POST"),
        }
    }
}

/// The endpoint of a request.
///
/// # Errors
/// 404 for another path, 406 for another format, 405 for another method.
pub(crate) fn route(method: &Method, path: &str) -> Result<Endpoint, Fault> {
    let name = path.strip_prefix(ROOT).ok_or_else(Fault::no_endpoint)?;
    let (name, extension) = name.split_once('.').map_or((name, None), |(name, extension)| (name, Some(extension)));
    let endpoint = Endpoint::ALL.into_iter().find(|it| it.name() == name).ok_or_else(Fault::no_endpoint)?;
    match (endpoint, extension) {
        (Endpoint::Webhook, None) => {}
        (Endpoint::Webhook, Some(_)) | (_, None) => return Err(Fault::no_endpoint()),
        (_, Some("json")) => {}
        (_, Some(_)) => return Err(Fault::unsupported_format()),
    }
    let (wanted, allowed) = endpoint.method();
    if *method == wanted { Ok(endpoint) } else { Err(Fault::method_not_allowed(allowed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_name_and_a_format() {
        for endpoint in Endpoint::ALL {
            let extension = if endpoint == Endpoint::Webhook { "" } else { ".json" };
            let path = format!("{ROOT}{}{extension}", endpoint.name());
            let (method, _) = endpoint.method();
            assert_eq!(route(&method, &path).ok(), Some(endpoint), "{path}");
            let fault = route(&Method::PUT, &path).unwrap_err();
            assert_eq!((fault.status, fault.code), (405, 405), "{path}");
        }
        for (path, status, code) in [
            ("/1/billing/start-trial.xml", 406, 1005),
            ("/1/billing/start-trial.json.xml", 406, 1005),
            ("/1/billing/start-trial.", 406, 1005),
            ("/1/billing/start-trial", 404, 404),
            ("/1/billing/nothing.json", 404, 404),
            ("/1/billing/nothing.xml", 404, 404),
            ("/1/billing/stripe-webhook.json", 404, 404),
            ("/1/billing/Start-Trial.json", 404, 404),
            ("/1/billing/a/start-trial.json", 404, 404),
            ("/1/other/start-trial.json", 404, 404),
        ] {
            let fault = route(&Method::POST, path).unwrap_err();
            assert_eq!((fault.status, fault.code), (status, code), "{path}");
        }
    }
}
