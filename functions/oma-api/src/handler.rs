//! Which endpoint answers a request.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use oma::{Fault, Format};

use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::{OmaRequest, caller, response_format};
use crate::route::{Route, route};
use crate::{callback, channels, create, dialect, nms, poll, proxy, short};

/// The largest body, in bytes. A notification is far below: a message of a WebSocket has at most 128 KB.
const MAX_BODY_BYTES: usize = 1_000_000;

/// Serves every path that the template gives to this function. The methods of a resource are answered here, as `Allow` has to
/// list them exactly (NC 6).
pub(crate) fn router(context: Context) -> Router {
    Router::new().route("/{*path}", any(handle)).with_state(Arc::new(context))
}

async fn handle(State(context): State<Arc<Context>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let found = match route(&parts.uri) {
        Ok(found) => found,
        Err(_) => return FaultResponse::from(Fault::invalid_input("Request-URI")).into_response(Format::Json),
    };
    if let Some(route) = found.as_ref().filter(|it| it.is_short()) {
        if let Some(refused) = dialect::refused_method(route, &parts.method) {
            return refused;
        }
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return dialect::too_large() };
        let asked = OmaRequest { root: context.root(&parts.headers), parts: &parts, body, format: Format::Json };
        let answered = match route {
            Route::Proxy => proxy::proxy(&context, &asked).await,
            Route::Replay => proxy::replay(&context, &asked).await,
            _ => short::answer(&context, route, &asked).await,
        };
        return answered.unwrap_or_else(IntoResponse::into_response);
    }
    let format = match response_format(&parts) {
        Ok(format) => format,
        Err(refusal) => return refusal.into_response(Format::Json),
    };
    let answer = async {
        let route = found.ok_or_else(Fault::unknown_resource)?;
        check_method(&route, &parts.method)?;
        let too_large = |_| Fault::invalid_input("body").with_status(413);
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(too_large)?;
        let asked = OmaRequest { root: context.root(&parts.headers), parts: &parts, body, format };
        answer(&context, route, &asked).await
    };
    match answer.await {
        Ok(answer) => answer.into_response(format),
        Err(refusal) => refusal.into_response(format),
    }
}

fn check_method(route: &Route, method: &Method) -> Result<(), FaultResponse> {
    if route.allows(method) {
        return Ok(());
    }
    let refusal = FaultResponse::from(Fault::service_error("method").with_status(405));
    Err(refusal.with_header(header::ALLOW, route.allowed()))
}

async fn answer(context: &Context, route: Route, asked: &OmaRequest<'_>) -> Result<Answer, FaultResponse> {
    let method = &asked.parts.method;
    match route {
        Route::Nms(route) => nms::answer(context, asked, route).await,
        Route::Poll { token } => poll::poll(context, asked, &token).await,
        Route::Callback { token } => callback::take(context, asked, &token).await,
        Route::Channels { user } => {
            let (app, user) = caller(context, &asked.parts.headers, &user).await?;
            match *method {
                Method::POST => create::create(context, asked, app, &user).await,
                _ => channels::list(context, asked, app, &user).await,
            }
        }
        Route::Channel { user, id } => {
            let (app, user) = caller(context, &asked.parts.headers, &user).await?;
            let channel = channels::find(context, app, &user, &id).await?;
            match *method {
                Method::DELETE => channels::delete(context, &channel).await,
                _ => channels::get(context, asked, &channel).await,
            }
        }
        Route::Lifetime { user, id } => {
            let (app, user) = caller(context, &asked.parts.headers, &user).await?;
            let channel = channels::find(context, app, &user, &id).await?;
            match *method {
                Method::PUT => channels::refresh(context, asked, &channel).await,
                _ => channels::lifetime(&channel),
            }
        }
        Route::ShortChannels { .. }
        | Route::ShortChannel { .. }
        | Route::ShortLifetime { .. }
        | Route::Proxy
        | Route::Replay => Err(Fault::unknown_resource().into()), // they are answered in their own dialect
    }
}
