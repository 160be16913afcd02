//! Which endpoint answers a request. The published API has errors of its own shape, for unknown paths and methods too, so
//! that requests are routed here.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::answer::Fault;
use crate::asked::Asked;
use crate::context::Context;
use crate::params::{ACCESS_TOKEN, Params};
use crate::route::{Endpoint, route};
use crate::{caller, cancel, plans, retrieve, subscribe, trial, webhook};

/// The largest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Serves every path that the template gives to this function.
pub(crate) fn router(context: Context) -> Router {
    Router::new().route("/{*path}", any(handle)).with_state(Arc::new(context))
}

async fn handle(State(context): State<Arc<Context>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    answer(&context, &parts, body).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(context: &Context, parts: &Parts, body: Body) -> Result<Response, Fault> {
    let endpoint = route(&parts.method, parts.uri.path())?;
    if endpoint == Endpoint::Webhook {
        let body = read(body, webhook::MAX_BODY_BYTES).await?;
        return webhook::receive(context, &parts.headers, &body).await;
    }
    let (body, query) = (read(body, MAX_BODY_BYTES).await?, Params::of_query(&parts.uri));
    // a body that cannot be read is answered after its sender is known
    let params = Params::of_body(&parts.headers, &body);
    let token = params.as_ref().ok().and_then(|it| it.text(ACCESS_TOKEN)).or(query.text(ACCESS_TOKEN));
    let app = caller::application(context, &parts.headers, token).await?;
    match endpoint {
        Endpoint::Retrieve => retrieve::retrieve(Asked { context, app, parts, params: query }).await,
        Endpoint::Plans => plans::plans(Asked { context, app, parts, params: query }).await,
        Endpoint::Limits => plans::limits(Asked { context, app, parts, params: query }).await,
        Endpoint::StartTrial => trial::start(Asked { context, app, parts, params: params? }).await,
        Endpoint::CancelTrial => trial::cancel(Asked { context, app, parts, params: params? }).await,
        Endpoint::StartOrUpdate => subscribe::start_or_update(Asked { context, app, parts, params: params? }).await,
        Endpoint::Cancel => cancel::cancel(Asked { context, app, parts, params: params? }).await,
        Endpoint::Webhook => Err(Fault::no_endpoint()), // it is answered above
    }
}

async fn read(body: Body, max_bytes: usize) -> Result<Bytes, Fault> {
    to_bytes(body, max_bytes).await.map_err(|_| Fault::too_large(max_bytes))
}
