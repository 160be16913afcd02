//! Search for assets that were created in a time, paged by the sort values of the last entry (section 3.15).

use domain::{from_millis, rfc3339};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Iconik, IconikError};
use crate::payload::parse_id;

/// Assets per page.
const PER_PAGE: usize = 100;

/// A page of a search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchPage {
    pub assets: Vec<Uuid>,
    /// The sort values to continue after; `None` at the end.
    pub after: Option<Vec<Value>>,
    pub total: Option<u64>,
}

impl Iconik {
    /// Assets that were created between two times (milliseconds since 1970), oldest first; only those below one of
    /// `collections`, if any are given.
    pub async fn search_created(
        &self,
        from: i64,
        to: i64,
        collections: &[String],
        after: Option<&[Value]>,
    ) -> Result<SearchPage, IconikError> {
        let range = json!({ "min": rfc3339(from_millis(from)), "max": rfc3339(from_millis(to)) });
        let mut terms = vec![json!({ "name": "date_created", "range": range })];
        if !collections.is_empty() {
            terms.push(json!({ "name": "ancestor_collections", "value_in": collections }));
        }
        let mut body = json!({
            "doc_types": ["assets"], "query": "", "filter": { "operator": "AND", "terms": terms },
            // `id` makes the order total, which paging needs
            "sort": [{ "name": "date_created", "order": "asc" }, { "name": "id", "order": "asc" }],
            "include_fields": ["id", "date_created"],
        });
        if let Some(after) = after {
            body["search_after"] = json!(after);
        }
        let path =
            format!("/API/search/v1/search/?per_page={PER_PAGE}&generate_signed_url=false&save_search_history=false");
        let answer = self.post_query(&path, &body).await?;
        let objects = answer["objects"].as_array().cloned().unwrap_or_default();
        let after = objects.last().map(|it| it["_sort"].as_array().cloned().unwrap_or_default());
        let after = after.filter(|it| !it.is_empty());
        Ok(SearchPage {
            assets: objects.iter().filter_map(|it| parse_id(&it["id"])).collect(),
            after,
            total: answer["total"].as_u64(),
        })
    }
}
