//! Functions behind an HTTP API of API Gateway: authentication, CORS, content codings, JSON and problem details.

pub mod auth;
mod auth_error;
mod auth_throttle;
mod content_coding;
mod cors;
mod deadline;
mod gateway_event;
pub mod idempotency;
mod integer;
pub mod json;
mod middleware;
mod oidc;
mod oidc_endpoints;
pub mod oidc_token;
pub mod problem;
mod query_params;
mod request_application;
mod routes;
mod serde_problem;
pub mod token;
mod trace_context;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use lambda_http::{Adapter, Request, Service, service_fn};
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::Value;

use crate::client_address;
use crate::start::{Error, Start};

pub use auth::{
    Authenticator, Principal, TICKET_PREFIX, access_of, bearer_expiry, bearer_token, is_application_token,
    named_application,
};
pub use auth_error::{AuthError, auth_problem};
pub use content_coding::accepts_gzip;
pub use cors::{CorsPolicy, OriginAllowlist};
pub use gateway_event::GATEWAY_DOMAIN;
pub use integer::{as_integer, parse_number};
pub use json::JsonBody;
pub use middleware::PUBLIC_CACHE;
pub use problem::{Problem, ProblemType};
pub use query_params::QueryParams;
pub use request_application::record_application;
pub use trace_context::trace_context;

impl Start {
    /// Serves a router. Paths are the API's own, without a stage; an unknown route or method is a problem. `cors` says which
    /// pages of other origins may read the responses.
    pub async fn http(mut self, router: Router, cors: CorsPolicy) -> Result<(), Error> {
        self.check_settings()?;
        let no_route = async || Problem::new(ProblemType::NoSuchRoute, "there is no such route");
        let no_method = async || Problem::new(ProblemType::Method, "the route does not know this method");
        let (meter, cors, edge_token) = (&self.meter, Arc::new(cors), self.edge_token());
        let router = &router.fallback(no_route).method_not_allowed_fallback(no_method);
        let handle = async |event: LambdaEvent<Value>| {
            meter.measure_invocation(respond(router, &cors, &edge_token, event)).await
        };
        lambda_runtime::run(lambda_runtime::service_fn(handle)).await
    }
}

/// The response of a router to an event of API Gateway's (payload format 2.0), as Lambda returns it. An event that is no
/// request is answered with a problem. `edge_token` is CloudFront's, empty where none is in front.
///
/// # Errors
/// Never: every error is a response.
pub async fn respond(
    router: &Router,
    cors: &Arc<CorsPolicy>,
    edge_token: &str,
    event: LambdaEvent<Value>,
) -> Result<impl Serialize + use<>, Infallible> {
    let LambdaEvent { payload, context } = event;
    let deadline = i64::try_from(context.deadline).ok();
    let (mut received, mut refused) = match gateway_event::decode(payload) {
        Ok(received) => (received, None),
        Err(problem) => (gateway_event::placeholder(), Some(problem)),
    };
    client_address::mark(&mut received.headers, &received.source, edge_token);
    let (mut headers, router, cors) = (Some(received.headers), router.clone(), cors.clone());
    let serve = service_fn(move |mut request: Request| {
        request.headers_mut().extend(headers.take().unwrap_or_default());
        let (refused, router, cors) = (refused.take(), router.clone(), cors.clone());
        async move {
            Ok::<_, Infallible>(match refused {
                Some(problem) => problem.into_response(),
                None => middleware::serve(cors, router, request).await,
            })
        }
    });
    deadline::with_deadline(deadline, Adapter::from(serve).call(LambdaEvent::new(received.event, context))).await
}
