//! The description of all HTTP routes, out of the functions that serve them.

use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

/// What all routes have in common.
#[derive(OpenApi)]
#[openapi(info(
    title = "Notifications API",
    description = "New media is found, analysed and announced. Beside this description there is a [guide](/docs/guide)."
))]
struct Api;

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut api = Api::openapi();
    api.merge(media_api::openapi());
    api.merge(channels_api::openapi());
    api.merge(iconik_webhook::openapi());
    api.merge(inbox_api::openapi());
    api.merge(images_api::openapi());
    let components = api.components.get_or_insert_default();
    // one scheme stands for the pair: `x-api-secret` goes beside it
    let key = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "with x-api-secret beside it"));
    components.add_security_scheme("keys", SecurityScheme::ApiKey(key));
    let secret = ApiKey::Header(ApiKeyValue::new("x-api-secret"));
    components.add_security_scheme("secret", SecurityScheme::ApiKey(secret));
    // a user's own: for its inbox, its groups and its sockets
    components.add_security_scheme("user", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    api
}
