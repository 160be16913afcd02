//! Which resource a path names. The path is decoded once, and a user's id may hold anything but a slash.

use axum::http::{Method, Uri};
use oma::encoded;
use percent_encoding::percent_decode_str;

/// The user of an access token, whoever that is (NC G.1.2).
pub(crate) const ACR_AUTH: &str = "acr:auth";

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Channels {
        user: String,
    },
    Channel {
        user: String,
        id: String,
    },
    Lifetime {
        user: String,
        id: String,
    },
    Poll {
        token: String,
    },
    Callback {
        token: String,
    },
    ShortChannels {
        user: String,
    },
    ShortChannel {
        user: String,
        id: String,
    },
    ShortLifetime {
        user: String,
        id: String,
    },
    /// The seed's `/proxy`: an object has changed.
    Proxy,
    /// The seed's `/replay`: a subscription is told again.
    Replay,
    Nms(NmsRoute),
}

/// A resource of a box of the message store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NmsRoute {
    pub(crate) store: String,
    /// The box.
    pub(crate) name: String,
    pub(crate) resource: BoxResource,
}

/// What is in a box (NMS 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BoxResource {
    /// The box itself, which can be emptied: an extension, since NMS leaves boxes to the server.
    Box,
    Objects,
    Search,
    BulkCreation,
    BulkUpdate,
    BulkDelete,
    ObjectPaths,
    FolderPaths,
    FolderSearch,
    CopyToFolder,
    MoveToFolder,
    Object(u64),
    Payload(u64),
    PayloadPart(u64, usize),
    Flags(u64),
    Flag(u64, String),
    Folders,
    Folder(u64),
    FolderName(u64),
    Subscriptions,
    Subscription(u64),
}

/// The resource of a path; `None` if there is none, `Err` if it is no UTF-8.
pub(crate) fn route(uri: &Uri) -> Result<Option<Route>, std::str::Utf8Error> {
    let decode = |it: &str| percent_decode_str(it).decode_utf8().map(std::borrow::Cow::into_owned);
    let segments = uri.path().trim_start_matches('/').split('/').map(decode).collect::<Result<Vec<String>, _>>()?;
    if segments.iter().any(String::is_empty) {
        return Ok(None);
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let owned = |it: &str| it.to_owned();
    Ok(Some(match segments.as_slice() {
        ["notificationchannel", "v1", user, "channels"] => Route::Channels { user: owned(user) },
        ["notificationchannel", "v1", "poll", token] => Route::Poll { token: owned(token) },
        ["notificationchannel", "v1", "callbacks", token] => Route::Callback { token: owned(token) },
        ["notificationchannel", "v1", user, "channels", id] => Route::Channel { user: owned(user), id: owned(id) },
        ["notificationchannel", "v1", user, "channels", id, "channelLifetime"] => {
            Route::Lifetime { user: owned(user), id: owned(id) }
        }
        ["nms", "v1", store, name, rest @ ..] => {
            let Some(resource) = box_resource(rest) else { return Ok(None) };
            Route::Nms(NmsRoute { store: owned(store), name: owned(name), resource })
        }
        ["proxy"] => Route::Proxy,
        ["replay"] => Route::Replay,
        [user, "channels"] => Route::ShortChannels { user: owned(user) },
        [user, "channels", id] => Route::ShortChannel { user: owned(user), id: owned(id) },
        [user, "channels", id, "channelLifetime"] => Route::ShortLifetime { user: owned(user), id: owned(id) },
        _ => return Ok(None),
    }))
}

/// Ids have a letter before their number: `operations`, which names none, is no id.
fn box_resource(path: &[&str]) -> Option<BoxResource> {
    let number = |text: &str, letter: char| {
        let number = text.strip_prefix(letter)?;
        number.parse::<u64>().ok().filter(|it| it.to_string() == number)
    };
    Some(match path {
        [] => BoxResource::Box,
        ["objects"] => BoxResource::Objects,
        ["objects", "operations", "search"] => BoxResource::Search,
        ["objects", "operations", "bulkCreation"] => BoxResource::BulkCreation,
        ["objects", "operations", "bulkUpdate"] => BoxResource::BulkUpdate,
        ["objects", "operations", "bulkDelete"] => BoxResource::BulkDelete,
        ["folders", "operations", "search"] => BoxResource::FolderSearch,
        ["folders", "operations", "copyToFolder"] => BoxResource::CopyToFolder,
        ["folders", "operations", "moveToFolder"] => BoxResource::MoveToFolder,
        ["objects", "operations", "pathToId"] => BoxResource::ObjectPaths,
        ["folders", "operations", "pathToId"] => BoxResource::FolderPaths,
        ["objects", id] => BoxResource::Object(number(id, 'o')?),
        ["objects", id, "payload"] => BoxResource::Payload(number(id, 'o')?),
        ["objects", id, "payloadParts", part] => {
            BoxResource::PayloadPart(number(id, 'o')?, usize::try_from(number(part, 'p')?).ok()?)
        }
        ["objects", id, "flags"] => BoxResource::Flags(number(id, 'o')?),
        ["objects", id, "flags", flag] => BoxResource::Flag(number(id, 'o')?, (*flag).to_owned()),
        ["folders"] => BoxResource::Folders,
        ["folders", id] => BoxResource::Folder(number(id, 'f')?),
        ["folders", id, "folderName"] => BoxResource::FolderName(number(id, 'f')?),
        ["subscriptions"] => BoxResource::Subscriptions,
        ["subscriptions", id] => BoxResource::Subscription(number(id, 's')?),
        _ => return None,
    })
}

impl Route {
    /// The methods of the resource, as `Allow` lists them.
    pub(crate) fn allowed(&self) -> &'static str {
        match self {
            Self::Channels { .. } | Self::ShortChannels { .. } => "GET, POST",
            Self::Channel { .. } | Self::ShortChannel { .. } => "GET, DELETE",
            Self::Lifetime { .. } | Self::ShortLifetime { .. } => "GET, PUT",
            Self::Poll { .. } | Self::Callback { .. } | Self::Proxy | Self::Replay => "POST",
            Self::Nms(route) => match route.resource {
                BoxResource::Box => "DELETE",
                BoxResource::Objects
                | BoxResource::Search
                | BoxResource::BulkCreation
                | BoxResource::BulkUpdate
                | BoxResource::FolderSearch
                | BoxResource::CopyToFolder
                | BoxResource::MoveToFolder
                | BoxResource::Folders => "POST",
                BoxResource::BulkDelete => "POST, DELETE",
                BoxResource::Object(_) | BoxResource::Folder(_) => "GET, DELETE",
                BoxResource::Payload(_) | BoxResource::PayloadPart(..) => "GET",
                BoxResource::Flags(_) | BoxResource::FolderName(_) => "GET, PUT",
                BoxResource::Flag(..) => "GET, PUT, DELETE",
                BoxResource::Subscriptions | BoxResource::ObjectPaths | BoxResource::FolderPaths => "GET, POST",
                BoxResource::Subscription(_) => "GET, POST, DELETE",
            },
        }
    }

    /// Whether the resource has a method.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.allowed().split(", ").any(|it| it == method.as_str())
    }

    /// Whether the resource speaks the seed's dialect.
    pub(crate) fn is_short(&self) -> bool {
        matches!(
            self,
            Self::ShortChannels { .. }
                | Self::ShortChannel { .. }
                | Self::ShortLifetime { .. }
                | Self::Proxy
                | Self::Replay
        )
    }
}

/// The URL of a user's channels.
pub(crate) fn channels_url(root: &str, user: &str) -> String {
    format!("{root}/notificationchannel/v1/{}/channels", encoded(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_resource_and_its_variables_are_decoded_once() {
        let user = || "tel:+1958".to_owned();
        for (path, want) in [
            ("/notificationchannel/v1/tel%3A%2B1958/channels", Some(Route::Channels { user: user() })),
            ("/notificationchannel/v1/tel:+1958/channels", Some(Route::Channels { user: user() })),
            ("/notificationchannel/v1/tel%3a%2b1958/channels/7", Some(Route::Channel { user: user(), id: "7".into() })),
            ("/notificationchannel/v1/a%252B/channels", Some(Route::Channels { user: "a%2B".into() })),
            (
                "/notificationchannel/v1/a/channels/7/channelLifetime",
                Some(Route::Lifetime { user: "a".into(), id: "7".into() }),
            ),
            ("/notificationchannel/v1/a/channels/7/lifetime", None),
            ("/notificationchannel/v1/poll/t", Some(Route::Poll { token: "t".into() })),
            ("/notificationchannel/v1/a/channels/", None),
            ("/nms/channels", Some(Route::ShortChannels { user: "nms".into() })),
            ("/5/channels/1/channelLifetime", Some(Route::ShortLifetime { user: "5".into(), id: "1".into() })),
            ("/5/users", None),
            ("/", None),
        ] {
            assert_eq!(route(&path.parse().unwrap()), Ok(want), "{path}");
        }
        assert!(route(&"/%FF/channels".parse().unwrap()).is_err());
        assert_eq!(
            channels_url("https://a.example", "tel:+1"),
            "https://a.example/notificationchannel/v1/tel%3A%2B1/channels"
        );
    }
}
