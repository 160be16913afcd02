//! The description of all HTTP routes, out of the functions that serve them.

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::{oma, operations, responses, schemas};

/// What all routes have in common.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Notifications API",
        description = "New media is found, analysed and announced. Beside this description there is a [guide](/docs/guide).",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "This deployment"))
)]
struct Api;

/// What is under each tag.
const TAGS: &[(&str, &str)] = &[
    ("Applications", "Tenants, their keys and their tokens"),
    ("Billing", "Subscriptions of an application, paid through Stripe"),
    ("Buckets", "Where media is found, and scans of it"),
    ("Channels", "Where notifications go: webhooks, RabbitMQ queues and SignalR hubs"),
    ("Console", "Sessions of the console, whose pages use the routes of the other tags"),
    ("Deliveries", "What became of notifications at channels"),
    ("Groups", "Notifications for groups of users, and for everyone"),
    ("Iconik", "The connection to Iconik, and what Iconik calls"),
    ("Images", "Pictures for advertisements"),
    ("Inbox", "Notifications of users"),
    ("Inbox, as the seed has it", "The inbox for clients that know no application"),
    ("Items", "Media that was found, and its results"),
    ("Messages", "Events that an application publishes, and what was published, in order"),
    ("OMA, as the seed has it", "The seed's dialect of OMA's APIs, on short paths. A key needs the scope `oma`"),
    (
        "OMA message store",
        "OMA's Network Message Storage V1.0: boxes, and subscriptions to them. A key needs the scope `oma`",
    ),
    ("OMA notification channels", "OMA's Notification Channel API V1.0. A key needs the scope `oma`"),
    ("Operations", "What could not be handled, and what was used"),
    ("Processors", "Endpoints of an application that run processors; `/docs/processor.json` describes what they speak"),
    ("Settings", "Settings of an application"),
    ("Sockets", "Tickets, tokens, connections and their groups"),
    ("Types", "JSON Schemas of notifications' data"),
];

/// The document, OpenAPI 3.1.
///
/// # Errors
///
/// It cannot be written as JSON.
pub(crate) fn document() -> Result<Value, serde_json::Error> {
    let mut api = Api::openapi();
    api.merge(media_api::openapi());
    api.merge(channels_api::openapi());
    api.merge(iconik_webhook::openapi());
    api.merge(inbox_api::openapi());
    api.merge(connections_api::openapi());
    api.merge(messages_api::openapi());
    api.merge(images_api::openapi());
    api.merge(billing_api::openapi());
    api.merge(oma_api::openapi());
    api.merge(operations_api::openapi());
    api.merge(console_api::openapi());
    let mut document = serde_json::to_value(api)?;
    document["components"]["securitySchemes"] = operations::schemes();
    schemas::complete(&mut document);
    let mut used = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            operations::complete(path, method, operation);
            if !oma::is_path(path) {
                responses::complete(path, method, operation);
            }
            used.extend(
                operation["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
            );
        }
    }
    oma::complete(&mut document)?;
    let tag = |name: String| {
        let known = TAGS.iter().find(|it| it.0 == name).map_or("", |it| it.1);
        json!({ "name": name, "description": known })
    };
    document["tags"] = used.into_iter().map(tag).collect();
    Ok(document)
}
