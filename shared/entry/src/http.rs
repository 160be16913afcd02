//! The HTTP edge: a router behind API Gateway, its problems and its callers.

mod attackers;
pub mod caller;
pub mod json;
mod oidc;
pub mod problem;
pub mod token;

use axum::Router;
use axum::http::StatusCode;
use lambda_http::{Request, service_fn};
use tower::ServiceExt;

use crate::{Error, Start};

/// What tickets begin with, so that they are told from tokens.
pub const TICKET: &str = "tkt_";

pub use caller::{Callers, Granted, Unknown, bearer, named, refused};
pub use json::Body;
pub use problem::Problem;

impl Start {
    /// Serves a router. Paths are the API's own, without a stage; a route or method that is not there is a problem.
    pub async fn http(mut self, router: Router) -> Result<(), Error> {
        self.ready()?;
        let missing = async || Problem::new(StatusCode::NOT_FOUND, "no-such-route", "there is no such route");
        let method =
            async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the route does not know this method");
        let (meter, router) = (&self.meter, &router.fallback(missing).method_not_allowed_fallback(method));
        lambda_http::run(service_fn(async move |request: Request| {
            meter.invocation(router.clone().oneshot(request)).await
        }))
        .await
    }
}
