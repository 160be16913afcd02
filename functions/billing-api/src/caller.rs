//! The caller: a key pair, a token in the header `authorization`, or a token in the form or the query. Only clients with the
//! scope `billing` are let in.

use axum::http::{HeaderMap, HeaderValue, header};
use domain::AppId;
use domain::application::Access;
use entry::http::named_application;

use crate::answer::Fault;
use crate::context::Context;

/// The application of a caller. `token` is the one that the form or the query has; one in the header comes first.
///
/// # Errors
/// 403, with 1001 or 1002.
pub(crate) async fn application(context: &Context, headers: &HeaderMap, token: Option<&str>) -> Result<AppId, Fault> {
    let mut headers = headers.clone();
    if let Some(token) = token.filter(|_| !headers.contains_key(header::AUTHORIZATION)) {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Fault::token_required())?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let has_token = headers.contains_key(header::AUTHORIZATION);
    let principal = context.authenticator.authenticate(&headers, Access::Change).await;
    let app = principal.map_err(|error| Fault::of_auth(&error, has_token))?.app;
    match named_application(&headers) {
        Some(named) if named != app => Err(Fault::permission_denied()),
        _ => Ok(app),
    }
}
