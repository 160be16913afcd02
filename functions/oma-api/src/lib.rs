//! `oma-api`: OMA's Notification Channel API V1.0, its message store (NMS V1.0), and the short paths of the seed's dialect.

mod answer;
mod body_schema;
mod callback;
mod channels;
mod context;
mod create;
mod dialect;
mod handler;
mod nms;
mod poll;
mod proxy;
mod request;
mod route;
mod seed_body;
mod short;

use std::sync::Arc;

use domain::application::Scope;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};
use inbox::connection_sender::ConnectionSender;
use message_store::Subscribers;
use notification_channel::{ChannelSender, ChannelUrls};

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed_networks = start.allowed_networks();
    let authenticator = Authenticator::new(table.clone(), seal.clone(), &allowed_networks, Scope::Oma);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let urls = ChannelUrls::new(Secrets::new(table.clone(), seal), &start.text("SOCKET_ENDPOINT"));
    let connections = ConnectionSender::new(&mut start, table.clone());
    let push_queue = start.queue("PUSH_QUEUE");
    let sender = ChannelSender::new(connections, push_queue.clone());
    let subscribers = Subscribers::new(sender.clone(), push_queue, start.queue("NMS_QUEUE"));
    let server_root = start.optional("SERVER_ROOT");
    let context = Context { table, authenticator, urls, sender, subscribers, server_root, allowed_networks };
    start.http(handler::router(context), cors).await
}

/// The routes of the Notification Channel API, and the short paths.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    channels::list,
    create::create,
    channels::get,
    channels::delete,
    channels::lifetime,
    channels::refresh,
    poll::poll,
    callback::take,
    short::list,
    short::create,
    short::get,
    short::delete,
    short::remaining_lifetime,
    short::refresh,
    proxy::proxy,
    proxy::replay
))]
struct Description;

/// The OpenAPI description of the routes. The router has one of its own, as the paths are decoded here, and the methods of a
/// resource answered as `Allow` lists them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    <Description as utoipa::OpenApi>::openapi().merge_from(<nms::Description as utoipa::OpenApi>::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_described_with_the_methods_that_it_allows() {
        let described = openapi().paths.paths;
        assert_eq!(described.len(), 31);
        for (path, item) in described {
            // ids have a letter before their number
            let numbered = [("{objectId}", "o1"), ("{folderId}", "f1"), ("{subscriptionId}", "s1"), ("{partId}", "p1")];
            let uri = numbered.iter().fold(path.clone(), |uri, (name, id)| uri.replace(name, id));
            let found = route::route(&uri.replace(['{', '}'], "").parse().unwrap()).unwrap();
            let route = found.unwrap_or_else(|| panic!("{path} is no route"));
            let methods = [("GET", item.get), ("PUT", item.put), ("POST", item.post), ("DELETE", item.delete)];
            let methods: Vec<&str> = methods.iter().filter(|it| it.1.is_some()).map(|it| it.0).collect();
            assert_eq!(methods.join(", "), route.allowed(), "{path}");
        }
    }
}
