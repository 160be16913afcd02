//! SignalR's negotiation: authenticates the client and creates a connection (realtime, section 8.1, form 1).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::AppId;
use domain::application::Access;
use domain::id::sha256_hex;
use domain::millis;
use domain::notification::{NAME_RULE, is_valid_name};
use domain::socket::{ConnectionUser, HubConnection};
use entry::clock;
use entry::http::{Problem, QueryParams, auth_problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::inbox_caller;

/// Parameters of a negotiation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NegotiateParameters {
    #[serde(default)]
    negotiate_version: u32,
    #[serde(default)]
    use_stateful_reconnect: bool,
    /// The user, only with a key pair
    #[serde(default)]
    user: Option<String>,
}

/// A connection that waits for its socket.
#[derive(Serialize, ToSchema)]
#[schema(as = Negotiated)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NegotiateResponse {
    negotiate_version: u32,
    connection_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_stateful_reconnect: Option<bool>,
    available_transports: Vec<AvailableTransport>,
}

/// A transport that the client may use.
#[derive(Serialize, ToSchema)]
#[schema(as = Transport)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AvailableTransport {
    transport: &'static str,
    transfer_formats: Vec<&'static str>,
}

/// Negotiates a SignalR connection, with a user's token or a ticket as the bearer, or a key pair and `user`.
#[utoipa::path(post, path = "/hubs/notifications/negotiate", tag = "Sockets", security(("keys" = []), ("user" = [])), params(NegotiateParameters),
    responses((status = 200, body = NegotiateResponse), (status = 401, body = Problem), (status = 402, body = Problem)))]
pub(crate) async fn negotiate(
    State(context): State<Context>,
    headers: HeaderMap,
    parameters: Result<QueryParams<NegotiateParameters>, Problem>,
) -> Result<Json<NegotiateResponse>, Problem> {
    let caller = authenticate(&context, &headers).await?;
    let QueryParams(parameters) = parameters?;
    let now = clock::now();
    let member = match caller {
        NegotiateCaller::User(member) => member,
        NegotiateCaller::Application(app) => {
            let user =
                parameters.user.filter(|it| is_valid_name(it)).ok_or_else(|| Problem::invalid("user", NAME_RULE))?;
            context.plan_limits.count_user(app, &user).await?;
            ConnectionUser::new(app, user, Vec::new())
        }
    };
    let stateful = parameters.use_stateful_reconnect && parameters.negotiate_version > 0;
    let token = clock::random_alphanumeric(43); // 256 bits: the token alone authenticates the socket
    let hub = HubConnection::new(member, stateful, millis(now));
    context.table.create_hub_connection(&sha256_hex(token.as_bytes()), &hub).await?;
    let (connection_id, connection_token) = match parameters.negotiate_version {
        0 => (token, None), // version 0 has one id, which opens the socket
        _ => (clock::random_alphanumeric(22), Some(token)),
    };
    let available_transports = vec![AvailableTransport { transport: "WebSockets", transfer_formats: vec!["Text"] }];
    Ok(Json(NegotiateResponse {
        negotiate_version: parameters.negotiate_version.min(1),
        connection_id,
        connection_token,
        use_stateful_reconnect: stateful.then_some(true), // a client that did not ask for it rejects the field
        available_transports,
    }))
}

/// The authenticated caller of a negotiation.
enum NegotiateCaller {
    User(ConnectionUser),
    /// An application, which names the user in `user`.
    Application(AppId),
}

async fn authenticate(context: &Context, headers: &HeaderMap) -> Result<NegotiateCaller, Problem> {
    if let Some(member) = inbox_caller::authenticated_member(&context.authenticator, headers).await? {
        return Ok(NegotiateCaller::User(member));
    }
    let principal = context.authenticator.authenticate(headers, Access::Change).await.map_err(auth_problem)?;
    Ok(NegotiateCaller::Application(principal.app))
}
