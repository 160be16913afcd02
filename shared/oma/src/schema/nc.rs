//! The types of the Notification Channel API (NC 5.2.2).

use super::definition::Kind::{Bool, Number, Text, Uri};
use super::definition::{Field, Kind, Namespace, Root, Type};

const NAMESPACE: Namespace = Namespace { prefix: "nc", uri: "urn:oma:xml:rest:netapi:notificationchannel:1" };

const fn root(name: &'static str, kind: Kind) -> Root {
    Root { name, namespace: NAMESPACE, kind }
}

pub(crate) static ROOTS: [Root; 8] = [
    root("notificationChannelList", Kind::Type(&NOTIFICATION_CHANNEL_LIST)),
    root("notificationChannel", Kind::Type(&NOTIFICATION_CHANNEL)),
    root("notificationList", Kind::Notifications),
    root("largePollingNotification", Kind::Type(&LARGE_POLLING_NOTIFICATION)),
    root("longPollingRequestParameters", Kind::Empty),
    root("connCheck", Kind::Type(&CONN_CHECK)),
    root("connAck", Kind::Type(&CONN_ACK)),
    root("notificationChannelLifetime", Kind::Type(&NOTIFICATION_CHANNEL_LIFETIME)),
];

static NOTIFICATION_CHANNEL_LIST: Type = Type {
    name: "NotificationChannelList",
    fields: &[
        Field::list("notificationChannel", Kind::Type(&NOTIFICATION_CHANNEL)),
        Field::optional("resourceURL", Uri),
    ],
};

static NOTIFICATION_CHANNEL: Type = Type {
    name: "NotificationChannel",
    fields: &[
        Field::optional("clientCorrelator", Text),
        Field::optional("applicationTag", Text),
        Field::optional("channelType", Text),
        Field::optional("channelData", Kind::ChannelData),
        Field::optional("channelLifetime", Number),
        Field::optional("callbackURL", Uri),
        Field::optional("resourceURL", Uri),
    ],
};

pub(crate) static LONG_POLLING_DATA: Type = Type {
    name: "LongPollingData",
    fields: &[
        Field::optional("channelURL", Uri),
        Field::optional("maxNotifications", Number),
        Field::optional("maxWaitTime", Number),
    ],
};

pub(crate) static OMA_PUSH_DATA: Type = Type {
    name: "OMAPushData",
    fields: &[
        Field::optional("appId", Text),
        Field::optional("maxNotifications", Number),
        Field::optional("largeDataPolling", Kind::Type(&LARGE_DATA_POLLING)),
    ],
};

pub(crate) static WEB_SOCKETS_DATA: Type = Type {
    name: "WebSocketsData",
    fields: &[Field::optional("channelURL", Uri), Field::optional("maxNotifications", Number)],
};

pub(crate) static NATIVE_CHANNEL_DATA: Type = Type {
    name: "NativeChannelData",
    fields: &[
        Field::optional("channelSubType", Text),
        Field::optional("registrationToken", Text),
        Field::optional("channelSubTypeVersion", Text),
        Field::optional("maxNotifications", Number),
        Field::optional("largeDataPolling", Kind::Type(&LARGE_DATA_POLLING)),
    ],
};

static LARGE_DATA_POLLING: Type = Type {
    name: "LargeDataPolling",
    fields: &[Field::optional("pollingEnabled", Bool), Field::optional("maxPollingNotifications", Number)],
};

static LARGE_POLLING_NOTIFICATION: Type = Type {
    name: "LargePollingNotification",
    fields: &[Field::optional("channelURL", Uri), Field::optional("channelExpiry", Text)],
};

static CONN_CHECK: Type = Type {
    name: "ConnCheck",
    fields: &[Field::optional("checkInterval", Number), Field::optional("newChannelLifetime", Number)],
};

static CONN_ACK: Type = Type { name: "ConnAck", fields: &[Field::optional("channelLifetime", Number)] };

static NOTIFICATION_CHANNEL_LIFETIME: Type =
    Type { name: "NotificationChannelLifetime", fields: &[Field::optional("channelLifetime", Number)] };
