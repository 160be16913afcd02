//! Signing in by redirect at an OpenID Connect issuer that an application names: `/console/providers` lists them, `/console/sign-in`
//! sends the browser there, and `/console/callback` is where it comes back to.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use domain::AppId;
use entry::http::auth::sign_in::{SIGN_IN_LIFETIME, SignInAnswer, SignInError, pending_application};
use entry::http::{JsonBody, Problem, ProblemType, QueryParams, auth_problem};
use entry::{Chain, clock};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::cookie::{Cookie, check_origin, own_origin};
use crate::session::{session_of_issuer, store_new, with_cookie};

/// Where issuers send browsers back to.
const CALLBACK: &str = "/console/callback";

/// Which application.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProviderParameters {
    /// The application's id, a UUID
    application_id: String,
}

/// The issuers of an application.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProvidersOut {
    items: Vec<ProviderOut>,
}

/// An issuer at which people sign in to the console.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderOut {
    issuer: String,
}

/// Where to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProviderSignIn {
    /// The application's id, a UUID
    application_id: String,
    /// One of `GET /console/providers`
    issuer: String,
}

/// Where the browser goes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderSignInOut {
    /// The issuer's page
    location: String,
}

/// The issuers at which people sign in to the console of an application: those of its setting `oidc_issuers` with a `console`. None
/// for an application that there is not.
#[utoipa::path(get, path = "/console/providers", tag = "Console", params(ProviderParameters),
    responses((status = 200, body = ProvidersOut), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    QueryParams(parameters): QueryParams<ProviderParameters>,
) -> Result<Json<ProvidersOut>, Problem> {
    let app = parse_application(&parameters.application_id)?;
    let issuers = context.authenticator.sign_in_issuers(app).await.map_err(auth_problem)?;
    Ok(Json(ProvidersOut { items: issuers.into_iter().map(|issuer| ProviderOut { issuer }).collect() }))
}

/// Begins to sign in at an issuer. The answer sets a cookie, and says where the browser goes. The issuer sends it back to
/// `/console/callback`, which begins the session.
#[utoipa::path(post, path = "/console/sign-in", tag = "Console", request_body = ProviderSignIn,
    responses((status = 200, body = ProviderSignInOut), (status = 403, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn sign_in(
    State(context): State<Context>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ProviderSignIn>,
) -> Result<Response, Problem> {
    check_origin(&headers)?;
    let app = parse_application(&body.application_id)?;
    let origin = own_origin(&headers).ok_or_else(|| Problem::new(ProblemType::Origin, "the request names no host"))?;
    let begun = context.authenticator.begin_sign_in(app, &body.issuer, format!("{origin}{CALLBACK}")).await;
    let begun = begun.map_err(|error| match error {
        SignInError::Credentials(error) => auth_problem(error),
        error @ SignInError::NoSuchIssuer => Problem::invalid("issuer", error.to_string()),
        error => {
            tracing::warn!(application.id = %app, issuer = body.issuer, "{error}");
            Problem::new(ProblemType::Issuer, error.to_string())
        }
    })?;
    let cookie = Cookie::SignIn.set(&headers, &begun.pending, SIGN_IN_LIFETIME);
    Ok(with_cookie(Json(ProviderSignInOut { location: begun.location }), cookie))
}

/// Takes an issuer's answer: begins the session, and goes on to the console. What went wrong stands there in the address, behind `#`.
pub(crate) async fn callback(State(context): State<Context>, headers: HeaderMap, uri: Uri) -> Response {
    let kept = Cookie::SignIn.value(&headers).unwrap_or_default();
    let answer = Query::<SignInAnswer>::try_from_uri(&uri).map(|it| it.0).unwrap_or_default();
    let now = clock::now();
    let (address, session) = match context.authenticator.complete_sign_in(kept, &answer).await {
        Ok(signed_in) => match store_new(&context, &headers, session_of_issuer(signed_in, now), now).await {
            Ok((secret, session)) => {
                let lifetime = domain::from_millis(session.until) - now;
                ("/console#/overview".to_owned(), Some(Cookie::Session.set(&headers, &secret, lifetime)))
            }
            Err(problem) if problem.status == StatusCode::FORBIDDEN => (failed("scope", kept), None),
            Err(_) => (failed("internal", kept), None), // it is logged
        },
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "nobody is signed in: {}", Chain(&error));
            (failed(code(&error), kept), None)
        }
    };
    let leads: [(HeaderName, HeaderValue); 2] = [
        (header::LOCATION, HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/console"))),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let response = with_cookie((StatusCode::SEE_OTHER, leads), Cookie::SignIn.forget(&headers));
    match session {
        Some(cookie) => with_cookie(response, cookie),
        None => response,
    }
}

/// The page that says why nobody is signed in, for another try at the same application.
fn failed(code: &str, kept: &str) -> String {
    let application = pending_application(kept).map(|it| format!("&application={it}")).unwrap_or_default();
    format!("/console#sign-in-failed={code}{application}")
}

/// What the page knows an error by.
fn code(error: &SignInError) -> &'static str {
    match error {
        SignInError::Expired => "expired",
        SignInError::Denied(_) => "denied",
        SignInError::NoSuchIssuer | SignInError::Issuer(_) | SignInError::Credentials(_) => "issuer",
    }
}

fn parse_application(text: &str) -> Result<AppId, Problem> {
    text.parse().map_err(|_| Problem::invalid("applicationId", "a UUID"))
}
