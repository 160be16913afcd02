//! The HTTP edge: a router behind API Gateway, its problems and its callers.

pub mod caller;
pub mod json;
pub mod problem;
pub mod token;

use axum::Router;
use lambda_http::{Request, service_fn};
use tower::ServiceExt;

use crate::{Error, Start, clock};

pub use caller::{Callers, Unknown};
pub use json::Body;
pub use problem::Problem;

impl Start {
    /// Serves a router. Paths are the API's own, without a stage.
    pub async fn http(mut self, router: Router) -> Result<(), Error> {
        self.ready()?;
        let (meter, router) = (&self.meter, &router);
        lambda_http::run(service_fn(async move |request: Request| {
            let answer = router.clone().oneshot(request).await;
            if let Some(line) = meter.report(clock::now()) {
                println!("{line}");
            }
            answer
        }))
        .await
    }
}
