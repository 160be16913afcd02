//! The HTTP edge: a router behind API Gateway, its problems and its callers.

mod attackers;
pub mod caller;
mod edge;
pub mod json;
mod oidc;
pub mod problem;
mod query;
mod rule;
pub mod token;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use lambda_http::{Adapter, Request, Service, service_fn};
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tower::ServiceExt;

use crate::{Error, Start};

/// What tickets begin with, so that they are told from tokens.
pub const TICKET: &str = "tkt_";

pub use caller::{Callers, Granted, Unknown, bearer, named, refused};
pub use json::Body;
pub use problem::Problem;
pub use query::Parameters;

impl Start {
    /// Serves a router. Paths are the API's own, without a stage; a route or method that is not there is a problem.
    pub async fn http(mut self, router: Router) -> Result<(), Error> {
        self.ready()?;
        let missing = async || Problem::new(StatusCode::NOT_FOUND, "no-such-route", "there is no such route");
        let method =
            async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the route does not know this method");
        let (meter, router) = (&self.meter, &router.fallback(missing).method_not_allowed_fallback(method));
        let handle = async |event: LambdaEvent<Value>| {
            let LambdaEvent { payload, context } = event;
            let (arrived, mut refused) = match edge::read(payload) {
                Ok(it) => (it, None),
                Err(problem) => (edge::nothing(), Some(problem)),
            };
            let (mut headers, router) = (Some(arrived.headers), router.clone());
            let serve = service_fn(move |mut request: Request| {
                request.headers_mut().extend(headers.take().unwrap_or_default());
                let (refused, router) = (refused.take(), router.clone());
                async move {
                    match refused {
                        Some(problem) => Ok(problem.into_response()),
                        None => router.oneshot(request).await,
                    }
                }
            });
            meter.invocation(Adapter::from(serve).call(LambdaEvent::new(arrived.event, context))).await
        };
        lambda_runtime::run(lambda_runtime::service_fn(handle)).await
    }
}
