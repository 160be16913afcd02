//! The trace that a request belongs to.

use axum::http::HeaderMap;
use domain::trace_context::TraceContext;

/// Reads `traceparent` and `tracestate`; `None` if there is no valid one. A request has one parent: of several none counts.
pub fn trace_context(headers: &HeaderMap) -> Option<Box<TraceContext>> {
    let mut parents = headers.get_all("traceparent").iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Vec<&str> = headers.get_all("tracestate").iter().filter_map(|it| it.to_str().ok()).collect();
    TraceContext::read(parent.to_str().ok()?, &states.join(",")).map(Box::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_several_headers_are_one_list_and_several_parents_are_none() {
        let parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let read = |all: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in all {
                headers.append(*name, value.parse().unwrap());
            }
            let read = trace_context(&headers);
            read.map(|it| it.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>())
        };
        let of_parent = format!("traceparent: {}", parent.1);
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[parent]), Some(vec![of_parent.clone()]));
        let both = read(&[("tracestate", "a=1"), parent, ("tracestate", "b=2")]);
        assert_eq!(both, Some(vec![of_parent, "tracestate: a=1,b=2".to_owned()]));
        assert_eq!(read(&[parent, parent]), None);
        assert_eq!(read(&[("tracestate", "a=1")]), None);
    }
}
