//! All endpoints of the API.

use crate::endpoint::Endpoint;
use crate::{
    charges, customers, events, invoices, payment_intents, payment_methods, prices, products, subscriptions,
    test_clocks, tokens, webhook_endpoints,
};

const RESOURCES: [&[Endpoint]; 12] = [
    charges::ENDPOINTS,
    customers::ENDPOINTS,
    events::ENDPOINTS,
    invoices::ENDPOINTS,
    payment_intents::ENDPOINTS,
    payment_methods::ENDPOINTS,
    prices::ENDPOINTS,
    products::ENDPOINTS,
    subscriptions::ENDPOINTS,
    test_clocks::ENDPOINTS,
    tokens::ENDPOINTS,
    webhook_endpoints::ENDPOINTS,
];

/// The endpoint of a method and a path, with the ids in the path.
pub(crate) fn route(method: &str, path: &str) -> Option<(&'static Endpoint, Vec<String>)> {
    RESOURCES.into_iter().flatten().find_map(|it| Some((it, it.ids(method, path)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_request_has_one_endpoint() {
        let all: Vec<(&str, &str)> = RESOURCES.into_iter().flatten().map(|it| (it.method, it.path)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for (method, path) in &all {
            assert!(path.starts_with("/v1/") && ["GET", "POST", "DELETE"].contains(method), "{method} {path}");
            let (endpoint, ids) = route(method, &path.replace("{}", "x_1")).unwrap();
            assert_eq!((endpoint.path, ids.len()), (*path, path.matches("{}").count()));
        }
        assert!(route("GET", "/v1/subscriptions/sub_1/items").is_none() && route("PUT", "/v1/customers").is_none());
    }
}
