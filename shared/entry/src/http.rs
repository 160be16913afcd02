//! The HTTP edge: a router behind API Gateway, its problems and its callers.

mod acting;
mod attackers;
pub mod caller;
mod coding;
mod edge;
mod front;
pub mod json;
mod oidc;
mod pages;
pub mod problem;
mod query;
mod rule;
pub mod token;
mod whole;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use lambda_http::{Adapter, Request, Service, service_fn};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

use crate::{Error, Start};

/// What tickets begin with, so that they are told from tokens.
pub const TICKET: &str = "tkt_";

pub use acting::acts_for;
pub use caller::{Callers, Granted, Unknown, bearer, named, refused, speaks_for_all};
pub use front::SAME_FOR_ALL;
pub use json::Body;
pub use pages::{Listed, Pages};
pub use problem::{Problem, ProblemType};
pub use query::Parameters;
pub use whole::{parse_number, whole};

impl Start {
    /// Serves a router. Paths are the API's own, without a stage; a route or method that is not there is a problem.
    /// `pages` says which pages at other origins may read the answers.
    pub async fn http(mut self, router: Router, pages: Pages) -> Result<(), Error> {
        self.ready()?;
        let missing = async || Problem::new(ProblemType::NoSuchRoute, "there is no such route");
        let method = async || Problem::new(ProblemType::Method, "the route does not know this method");
        let (meter, pages) = (&self.meter, Arc::new(pages));
        let router = &router.fallback(missing).method_not_allowed_fallback(method);
        let handle = async |event: LambdaEvent<Value>| {
            let LambdaEvent { payload, context } = event;
            let (arrived, mut refused) = match edge::read(payload) {
                Ok(it) => (it, None),
                Err(problem) => (edge::nothing(), Some(problem)),
            };
            let (mut headers, router, pages) = (Some(arrived.headers), router.clone(), pages.clone());
            let serve = service_fn(move |mut request: Request| {
                request.headers_mut().extend(headers.take().unwrap_or_default());
                let (refused, router, pages) = (refused.take(), router.clone(), pages.clone());
                async move {
                    Ok::<_, Infallible>(match refused {
                        Some(problem) => problem.into_response(),
                        None => front::answer(pages, router, request).await,
                    })
                }
            });
            meter.invocation(Adapter::from(serve).call(LambdaEvent::new(arrived.event, context))).await
        };
        lambda_runtime::run(lambda_runtime::service_fn(handle)).await
    }
}
