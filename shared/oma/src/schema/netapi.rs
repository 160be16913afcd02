//! The types that both APIs share (REST_NetAPI_Common): links, callback references, faults.

use super::definition::Kind::{Text, Uri};
use super::definition::{Field, Kind, Namespace, Root, Type};

const NAMESPACE: Namespace = Namespace { prefix: "common", uri: "urn:oma:xml:rest:netapi:common:1" };

pub(crate) static ROOTS: [Root; 1] =
    [Root { name: "requestError", namespace: NAMESPACE, kind: Kind::Type(&REQUEST_ERROR) }];

pub(crate) static LINK: Type =
    Type { name: "Link", fields: &[Field::attribute("rel", Text), Field::attribute("href", Uri)] };

pub(crate) static CALLBACK_REFERENCE: Type = Type {
    name: "CallbackReference",
    fields: &[
        Field::optional("notifyURL", Uri),
        Field::optional("callbackData", Text),
        Field::optional("notificationFormat", Text),
    ],
};

pub(crate) static REQUEST_ERROR: Type = Type {
    name: "RequestError",
    fields: &[
        Field::repeated("link", Kind::Type(&LINK)),
        Field::optional("serviceException", Kind::Type(&EXCEPTION)),
        Field::optional("policyException", Kind::Type(&EXCEPTION)),
    ],
};

static EXCEPTION: Type = Type {
    name: "ServiceException",
    fields: &[Field::optional("messageId", Text), Field::optional("text", Text), Field::repeated("variables", Text)],
};
