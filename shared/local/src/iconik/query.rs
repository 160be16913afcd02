//! Query parameters of Iconik's API, and its paging.

use axum::extract::Query;
use serde_json::{Value, json};

/// The parameters of a query, in their order.
pub(super) type QueryPairs = Query<Vec<(String, String)>>;

/// Objects per page, unless the query says otherwise.
const DEFAULT_PER_PAGE: usize = 10;

/// The first value of a parameter.
pub(super) fn query_value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
}

/// The parameter `per_page`, between 1 and `max`.
pub(super) fn per_page(query: &[(String, String)], max: usize) -> usize {
    let given = query_value(query, "per_page").and_then(|it| it.parse().ok());
    given.unwrap_or(DEFAULT_PER_PAGE).clamp(1, max)
}

/// The page of a list that `page` and `per_page` ask for.
pub(super) fn page(objects: Vec<Value>, query: &[(String, String)], max_per_page: usize) -> Value {
    let number = query_value(query, "page").and_then(|it| it.parse::<usize>().ok());
    let (per_page, page) = (per_page(query, max_per_page), number.unwrap_or(1).max(1));
    let total = objects.len();
    let objects: Vec<Value> = objects.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    json!({ "objects": objects, "page": page, "pages": total.div_ceil(per_page), "per_page": per_page, "total": total })
}
