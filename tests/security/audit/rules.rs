//! Who may call what, and what the parameters of the description stand for: a new operation is written down here.

use crate::security::audit::callers::{Caller, Class};
use crate::security::audit::oma::{FLAG, FOLDER, STORE};
use crate::security::audit::operations::Operation;
use crate::security::audit::planted::{GROUP, Planted, TYPE, USER};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Anybody.
    Public,
    /// Whoever sends the right secret in the body, to get a token for it.
    Body,
    /// Whoever holds the operator's key.
    Operator,
    /// A key with the scope `keys` of the application that the path names; or the operator.
    Manager,
    /// Iconik, with the secret of an application.
    Iconik,
    /// A key with this scope.
    Scope(&'static str),
    /// A key with the scope `billing`; whoever has none is forbidden it, whatever he shows.
    Billing,
    /// A key with this scope; or a user with a token, for what the path names as this user's.
    Own(&'static str),
    /// A key with the scope `inbox`; or any user of the application with a token.
    Users,
    /// The same, or whoever has a ticket.
    Door,
    /// Whoever has the token in the path.
    Token,
    /// A key, or an application's token, whatever it is good for; or a code in the body.
    SignIn,
    /// A key with the scope `inbox`; or, where `InboxAuth=open` as here, whoever shows no key, and then for the one
    /// application that is open.
    Seed,
}

/// What must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This status.
    Refused(u16),
    /// Something about the caller's own, be it that there is no such thing, and nothing of others.
    Own,
}

/// Methods (`*` for all), paths (a `*` at the end for all that begin so), and who may call them. The first that fits
/// holds.
const RULES: &[(&str, &str, Rule)] = &[
    ("*", "/1/billing/*", Rule::Billing),
    ("*", "/api/v1/Applications", Rule::Operator),
    ("*", "/api/v1/Applications/{id}/*", Rule::Manager),
    ("GET", "/console/providers", Rule::Public),
    ("POST", "/console/sign-in", Rule::Public),
    ("POST", "/console/*", Rule::SignIn),
    ("DELETE", "/console/session", Rule::Public),
    ("*", "/api/v1/DeadLetters/*", Rule::Scope("media")), // of the kind that `fill` says
    ("GET", "/api/v1/Usage", Rule::Scope("keys")),
    ("POST", "/api/v1/Authorization/GenerateJwtToken", Rule::Body),
    ("POST", "/api/v1/Authorization/RefreshJwtToken", Rule::Body),
    ("GET", "/api/v1/Notification/Jwks", Rule::Public),
    ("*", "/api/v1/Notification/Messages*", Rule::Scope("messages")),
    ("*", "/api/v1/Notification/*", Rule::Scope("channels")),
    ("*", "/api/v1/Image/*", Rule::Scope("images")),
    ("*", "/api/v1/Media/*", Rule::Scope("media")),
    ("GET", "/api/v1/Inbox/{user}/Notifications", Rule::Own("inbox")),
    ("GET", "/api/v1/Inbox/{user}/Notifications/{id}", Rule::Own("inbox")),
    ("GET", "/api/v1/Inbox/{user}/Counts", Rule::Own("inbox")),
    ("POST", "/api/v1/Inbox/{user}/Marks", Rule::Own("inbox")),
    ("*", "/api/v1/Inbox/{user}/Preferences", Rule::Own("inbox")),
    ("*", "/api/v1/Inbox/*", Rule::Scope("inbox")),
    ("GET", "/api/v1/Groups/{group}/Notifications*", Rule::Own("inbox")),
    ("*", "/api/v1/Groups/*", Rule::Scope("inbox")),
    ("GET", "/api/v1/Everyone/Notifications*", Rule::Users),
    ("*", "/api/v1/Everyone/*", Rule::Scope("inbox")),
    ("*", "/api/v1/Types*", Rule::Scope("inbox")),
    ("POST", "/hubs/notifications/negotiate", Rule::Door),
    ("*", "/notifications/*", Rule::Seed),
    ("*", "/notificationchannel/v1/poll/{token}", Rule::Token),
    ("*", "/notificationchannel/v1/callbacks/{token}", Rule::Token),
    ("*", "/notificationchannel/*", Rule::Own("oma")),
    ("*", "/nms/*", Rule::Own("oma")),
    ("*", "/{userId}/channels*", Rule::Own("oma")),
    ("POST", "/proxy", Rule::Own("oma")),
    ("POST", "/replay", Rule::Own("oma")),
    ("GET", "/iconik/ready", Rule::Public),
    ("POST", "/iconik/*", Rule::Iconik),
];

/// Parameters of queries that narrow a list or shape an answer, and headers: those that matter the callers have.
#[rustfmt::skip]
const LEFT: &[&str] = &[
    "access_token", "after", "archived", "attrFilter", "before", "boxes", "cursor", "day", "dryRun", "format", "from", "fromCursor", "identifier",
    "limit", "listFilter", "lowResolution", "maxEntries", "negotiateVersion", "organization_id", "processor", "purpose", "read", "references",
    "resFormat", "results", "since", "status", "system", "to", "type", "useStatefulReconnect", "wait",
    "Idempotency-Key", "If-Match", "Range", "X-Extended", "X-Reveal-Secrets", "traceparent", "x-operator-key", "x-webhook-secret",
];

/// Who may call an operation; `None` if nobody has said.
pub(crate) fn rule(method: &str, path: &str) -> Option<Rule> {
    let fits = |it: &&(&str, &str, Rule)| {
        let same = it.1.strip_suffix('*').map_or(path == it.1, |front| path.starts_with(front));
        same && (it.0 == "*" || it.0 == method)
    };
    RULES.iter().find(fits).map(|it| it.2)
}

impl Rule {
    /// What the description says of it: names of its `security`, in order.
    pub(crate) fn security(self) -> &'static [&'static str] {
        match self {
            Self::Public | Self::Body | Self::Token => &[],
            Self::Operator => &["operator"],
            Self::Iconik => &["webhook"],
            Self::Manager => &["key", "operator", "secret", "token"],
            Self::Scope(_) | Self::Billing | Self::Own(_) | Self::Users | Self::Door | Self::SignIn | Self::Seed => {
                &["key", "secret", "token"]
            }
        }
    }

    /// The scope that a key needs, where a key is good for anything.
    pub(crate) fn scope(self) -> Option<&'static str> {
        match self {
            Self::Public | Self::Body | Self::SignIn | Self::Operator | Self::Iconik | Self::Token => None,
            Self::Manager => Some("keys"),
            Self::Scope(it) | Self::Own(it) => Some(it),
            Self::Billing => Some("billing"),
            Self::Users | Self::Door | Self::Seed => Some("inbox"),
        }
    }

    /// What a caller gets; `None` for whoever may do this, and for what there is nothing to try.
    pub(crate) fn expects(self, caller: &Caller, operation: &Operation) -> Option<Expected> {
        use Expected::{Own, Refused};
        if let Class::Lacking(scope) = caller.class
            && self.scope().unwrap_or("media") != scope
        {
            return None; // that key has what this needs
        }
        if caller.class == Class::Viewer {
            return match self {
                Self::Public => Some(Own),
                Self::SignIn | Self::Token => None,
                Self::Body | Self::Operator | Self::Iconik => Some(Refused(401)),
                Self::Billing => Some(Refused(403)),
                // the socket of a viewer's ticket only receives
                _ if operation.method == "GET" || operation.name().ends_with("/Tickets") => None,
                _ => Some(Refused(403)),
            };
        }
        if self == Self::SignIn {
            // whoever is somebody gets a session of the own application
            return match caller.class {
                Class::Foreign if caller.names_them => Some(Refused(403)),
                Class::Foreign | Class::ForeignToken => Some(Own),
                Class::Lacking(_) | Class::Token => None,
                _ if caller.broken => None, // the body may be all that is wrong
                _ => Some(Refused(401)),
            };
        }
        let alone = matches!(self.scope(), Some("media" | "inbox" | "images" | "messages" | "oma" | "billing"));
        let class = match caller.class {
            Class::Token if alone && self != Self::Seed => return None,
            Class::ForeignToken if alone => Class::Foreign,
            Class::Token | Class::ForeignToken => Class::Nobody,
            it => it,
        };
        let keyed = caller.has("x-api-key");
        if caller.broken && matches!(self, Self::Public | Self::Body | Self::Seed) {
            return None; // the body is all that there is to be wrong
        }
        // of the other application: what is here is not there; and who names another than its own is told so at once
        let own = match operation.foreign {
            true if alone && keyed && caller.names_them && class == Class::Foreign => Refused(403),
            true => Refused(404),
            false => Own,
        };
        let named = operation.names_application && caller.names_them;
        Some(match (self, class) {
            (Self::Public, _) => Own,
            (Self::Body | Self::Operator | Self::Iconik, _) => Refused(401),
            (Self::Token, _) => Refused(404), // it is given a token of another URL
            (Self::Seed, _) if !keyed => Own,
            (_, Class::Lacking(_)) => Refused(403),
            (Self::Billing, Class::Foreign) => own,
            (Self::Billing, _) => Refused(403),
            (_, Class::Foreign) if named => Refused(403),
            (_, Class::Foreign) => own,
            (Self::Own(_) | Self::Users | Self::Door, Class::Stranger) => own,
            (Self::Own(_), Class::John) => Refused(403),
            (Self::Own(_) | Self::Users | Self::Door, Class::Jane) => return None,
            (Self::Users | Self::Door, Class::John) | (Self::Door, Class::Ticket) => return None,
            (_, _) => Refused(401),
        })
    }
}

/// What a parameter is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The application that the caller says it acts for.
    Application,
    /// The application that is attacked, whoever calls.
    Tenant(String),
    /// The id of something that this application has, and no other.
    Theirs(String),
    /// A name that each application may use.
    Shared(String),
    /// Nothing: it narrows, or shows more.
    Left,
}

/// What a parameter is given; `None` if nobody has said. `place` is `path`, `query` or `header`.
pub(crate) fn fill(method: &str, path: &str, place: &str, name: &str, it: &Planted) -> Option<Fill> {
    let theirs = |it: &str| Some(Fill::Theirs(it.to_owned()));
    let shared = |it: &str| Some(Fill::Shared(it.to_owned()));
    match (place, name) {
        ("path", "id") => match path.split("{id}").next().unwrap_or_default() {
            "/api/v1/Applications/" => Some(Fill::Tenant(it.app.clone())),
            "/api/v1/Media/Buckets/" => theirs(&it.bucket),
            "/api/v1/Media/Items/" => theirs(&it.item),
            "/api/v1/Notification/Deliveries/" => theirs(&it.delivery),
            "/api/v1/Notification/Messages/" => theirs(&it.told),
            "/api/v1/Inbox/{user}/Notifications/" => theirs(&it.notification),
            "/api/v1/Inbox/{user}/Connections/" | "/api/v1/Groups/{group}/Connections/" => theirs(&it.connection),
            "/api/v1/Groups/{group}/Notifications/" => theirs(&it.of_group),
            "/api/v1/Everyone/Notifications/" => theirs(&it.of_everyone),
            // a user's inbox to read, a notification to mark
            "/notifications/" if method == "GET" => shared(USER),
            "/notifications/" => theirs(&it.notification),
            _ => None,
        },
        // numbers of its own user's, or box's: others may have the same
        ("path", "channelId") => shared(&it.oma.channel),
        ("path", "objectId") => shared(&it.oma.object),
        ("path", "partId") => shared("p1"),
        ("path", "flagName") => shared(FLAG),
        ("path", "folderId") => shared(&it.oma.folder),
        ("path", "subscriptionId") => shared(&it.oma.subscription),
        ("path", "storeName") => shared(STORE),
        ("query", "path") if path.ends_with("/objects/operations/pathToId") => shared(&it.oma.object_path),
        ("query", "path") if path.ends_with("/folders/operations/pathToId") => shared(FOLDER),
        ("query", "path") => Some(Fill::Left),
        ("path", "token") if path.contains("/poll/") => theirs(&it.oma.callback_token),
        ("path", "token") => theirs(&it.oma.poll_token),
        ("path", "key") => theirs(&it.key),
        ("path" | "query", "user" | "userId") | ("path", "boxId") => shared(USER),
        ("path", "group") => shared(GROUP),
        ("path", "type") => shared(TYPE),
        ("path", "action") => shared("process"),
        ("query", "product") => shared("publish"),
        ("path", "kind") => shared("scan"),
        ("path", "processor") => shared("FacialRecognition"),
        ("path", "file") => shared("es.vtt"),
        ("query", "applicationId") => Some(Fill::Application),
        ("query", "configurationId") => theirs(&it.channel),
        ("query", "notification") => theirs(&it.told),
        ("query", "imageRenderProcessId") => theirs(&it.process),
        ("query", "taskId") => theirs(&it.task),
        ("query", "bucket") => shared(&it.bucket), // a filter: of others there is nothing
        ("query" | "header", name) if LEFT.contains(&name) => Some(Fill::Left),
        _ => None,
    }
}
