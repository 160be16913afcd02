//! A function's routes, listed once: to serve them, and to describe them without their handlers.

/// Makes `routes()`, an `OpenApiRouter` of a function's context that serves the handlers, and `openapi()`, the description
/// of the same handlers, which does not link them: `docs-api` describes all functions and stays small. Handlers in brackets
/// share a path. The handlers carry `#[utoipa::path]`.
#[macro_export]
macro_rules! api_routes {
    ($context:ty: $([$($($handler:ident)::+),+ $(,)?]),+ $(,)?) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($($handler)::+),+),+))]
        struct Description;

        /// The OpenAPI description of the routes.
        pub fn openapi() -> utoipa::openapi::OpenApi {
            <Description as utoipa::OpenApi>::openapi()
        }

        fn routes() -> $crate::utoipa_axum::router::OpenApiRouter<$context> {
            $crate::utoipa_axum::router::OpenApiRouter::new()$(.routes($crate::utoipa_axum::routes!($($($handler)::+),+)))+
        }
    };
}
