//! The HTTP edge: a router behind API Gateway, its problems and its callers.

pub mod auth;
mod auth_throttle;
mod content_coding;
mod cors;
mod gateway_event;
mod integer;
pub mod json;
mod middleware;
mod oidc;
pub mod problem;
mod query_params;
mod request_application;
mod serde_problem;
pub mod token;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use lambda_http::{Adapter, Request, Service, service_fn};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

use crate::{Error, Start};

/// What tickets begin with, so that they are told from tokens.
pub const TICKET_PREFIX: &str = "tkt_";

pub use auth::{
    AuthError, Authenticator, Principal, auth_problem, bearer_token, is_application_token, named_application,
};
pub use cors::{CorsPolicy, OriginAllowlist};
pub use integer::{as_integer, parse_number};
pub use json::JsonBody;
pub use middleware::PUBLIC_CACHE;
pub use problem::{Problem, ProblemType};
pub use query_params::QueryParams;
pub use request_application::record_application;

impl Start {
    /// Serves a router. Paths are the API's own, without a stage; a route or method that is not there is a problem.
    /// `pages` says which pages at other origins may read the answers.
    pub async fn http(mut self, router: Router, pages: CorsPolicy) -> Result<(), Error> {
        self.check_settings()?;
        let missing = async || Problem::new(ProblemType::NoSuchRoute, "there is no such route");
        let method = async || Problem::new(ProblemType::Method, "the route does not know this method");
        let (meter, pages) = (&self.meter, Arc::new(pages));
        let router = &router.fallback(missing).method_not_allowed_fallback(method);
        let handle = async |event: LambdaEvent<Value>| {
            let LambdaEvent { payload, context } = event;
            let (arrived, mut refused) = match gateway_event::read(payload) {
                Ok(it) => (it, None),
                Err(problem) => (gateway_event::placeholder(), Some(problem)),
            };
            let (mut headers, router, pages) = (Some(arrived.headers), router.clone(), pages.clone());
            let serve = service_fn(move |mut request: Request| {
                request.headers_mut().extend(headers.take().unwrap_or_default());
                let (refused, router, pages) = (refused.take(), router.clone(), pages.clone());
                async move {
                    Ok::<_, Infallible>(match refused {
                        Some(problem) => problem.into_response(),
                        None => middleware::serve(pages, router, request).await,
                    })
                }
            });
            meter.measure_invocation(Adapter::from(serve).call(LambdaEvent::new(arrived.event, context))).await
        };
        lambda_runtime::run(lambda_runtime::service_fn(handle)).await
    }
}
