//! The types of problems. Code, status and title of a type do not change between occurrences (RFC 9457, section 3.1.4).

use axum::http::StatusCode;

/// A type of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    Busy,
    Changed,
    ContentCoding,
    Credentials,
    Domain,
    Early,
    Expired,
    Full,
    IconikNotSetUp,
    IdempotencyKey,
    InFlight,
    Internal,
    Invalid,
    Issuer,
    MediaSystem,
    MediaType,
    Method,
    NoMedia,
    NoPreview,
    NoResult,
    NoSuchAction,
    NoSuchApplication,
    NoSuchBucket,
    NoSuchConnection,
    NoSuchItem,
    NoSuchKey,
    NoSuchNotification,
    NoSuchPage,
    NoSuchProcessor,
    NoSuchQueue,
    NoSuchRoute,
    NoSuchType,
    NotAnAction,
    NotAnEvent,
    NotGzip,
    NotJson,
    NotYours,
    Origin,
    OtherApplication,
    Path,
    PlanLimit,
    Range,
    Request,
    Scope,
    Secret,
    SignedIn,
    SlowConnection,
    TooLarge,
    TooMany,
}

impl ProblemType {
    #[cfg(test)]
    const ALL: [Self; 49] = [
        Self::Busy,
        Self::Changed,
        Self::ContentCoding,
        Self::Credentials,
        Self::Domain,
        Self::Early,
        Self::Expired,
        Self::Full,
        Self::IconikNotSetUp,
        Self::IdempotencyKey,
        Self::InFlight,
        Self::Internal,
        Self::Invalid,
        Self::Issuer,
        Self::MediaSystem,
        Self::MediaType,
        Self::Method,
        Self::NoMedia,
        Self::NoPreview,
        Self::NoResult,
        Self::NoSuchAction,
        Self::NoSuchApplication,
        Self::NoSuchBucket,
        Self::NoSuchConnection,
        Self::NoSuchItem,
        Self::NoSuchKey,
        Self::NoSuchNotification,
        Self::NoSuchPage,
        Self::NoSuchProcessor,
        Self::NoSuchQueue,
        Self::NoSuchRoute,
        Self::NoSuchType,
        Self::NotAnAction,
        Self::NotAnEvent,
        Self::NotGzip,
        Self::NotJson,
        Self::NotYours,
        Self::Origin,
        Self::OtherApplication,
        Self::Path,
        Self::PlanLimit,
        Self::Range,
        Self::Request,
        Self::Scope,
        Self::Secret,
        Self::SignedIn,
        Self::SlowConnection,
        Self::TooLarge,
        Self::TooMany,
    ];

    /// Its code (behind `about:blank#`), its status and its title.
    pub(super) fn definition(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Busy => ("busy", StatusCode::CONFLICT, "Somebody else is changing it"),
            Self::Changed => ("changed", StatusCode::PRECONDITION_FAILED, "It was changed in the meantime"),
            Self::ContentCoding => {
                ("content-coding", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content coding is not taken")
            }
            Self::Credentials => ("credentials", StatusCode::UNAUTHORIZED, "The credentials are missing or wrong"),
            Self::Domain => ("domain", StatusCode::FORBIDDEN, "The secret belongs to another Iconik domain"),
            Self::Early => ("early", StatusCode::UNAUTHORIZED, "The token is not valid yet"),
            Self::Expired => ("expired", StatusCode::UNAUTHORIZED, "The token has expired"),
            Self::Full => ("full", StatusCode::CONFLICT, "There is no room for more"),
            Self::IconikNotSetUp => ("iconik-not-set-up", StatusCode::CONFLICT, "Iconik is not set up"),
            Self::IdempotencyKey => {
                ("idempotency-key", StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key was used for something else")
            }
            Self::InFlight => ("in-flight", StatusCode::CONFLICT, "The same request is under way"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side"),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "What was sent is not valid"),
            Self::Issuer => ("issuer", StatusCode::SERVICE_UNAVAILABLE, "The issuer of the token does not answer"),
            Self::MediaSystem => {
                ("media-system", StatusCode::BAD_GATEWAY, "The media system does not answer as it should")
            }
            Self::MediaType => ("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The media type is not taken"),
            Self::Method => ("method", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed"),
            Self::NoMedia => ("no-media", StatusCode::NOT_FOUND, "The media is not there any more"),
            Self::NoPreview => ("no-preview", StatusCode::NOT_FOUND, "There is no preview"),
            Self::NoResult => ("no-result", StatusCode::NOT_FOUND, "There is no result"),
            Self::NoSuchAction => ("no-such-action", StatusCode::NOT_FOUND, "There is no such action"),
            Self::NoSuchApplication => ("no-such-application", StatusCode::NOT_FOUND, "There is no such application"),
            Self::NoSuchBucket => ("no-such-bucket", StatusCode::NOT_FOUND, "There is no such bucket"),
            Self::NoSuchConnection => ("no-such-connection", StatusCode::NOT_FOUND, "There is no such connection"),
            Self::NoSuchItem => ("no-such-item", StatusCode::NOT_FOUND, "There is no such item"),
            Self::NoSuchKey => ("no-such-key", StatusCode::NOT_FOUND, "There is no such key"),
            Self::NoSuchNotification => {
                ("no-such-notification", StatusCode::NOT_FOUND, "There is no such notification")
            }
            Self::NoSuchPage => ("no-such-page", StatusCode::NOT_FOUND, "There is no such page"),
            Self::NoSuchProcessor => ("no-such-processor", StatusCode::NOT_FOUND, "There is no such processor"),
            Self::NoSuchQueue => ("no-such-queue", StatusCode::NOT_FOUND, "There is no such queue"),
            Self::NoSuchRoute => ("no-such-route", StatusCode::NOT_FOUND, "There is no such route"),
            Self::NoSuchType => ("no-such-type", StatusCode::NOT_FOUND, "There is no such type"),
            Self::NotAnAction => ("not-an-action", StatusCode::BAD_REQUEST, "The body is no custom action"),
            Self::NotAnEvent => ("not-an-event", StatusCode::BAD_REQUEST, "The body is no event"),
            Self::NotGzip => ("not-gzip", StatusCode::BAD_REQUEST, "The body is not what its coding says"),
            Self::NotJson => ("not-json", StatusCode::BAD_REQUEST, "The body is not JSON"),
            Self::NotYours => ("not-yours", StatusCode::FORBIDDEN, "The token is for another user"),
            Self::Origin => ("origin", StatusCode::FORBIDDEN, "Pages of this origin are not allowed"),
            Self::OtherApplication => {
                ("other-application", StatusCode::FORBIDDEN, "The credentials are another application's")
            }
            Self::Path => ("path", StatusCode::BAD_REQUEST, "The path cannot be read"),
            Self::PlanLimit => ("plan-limit", StatusCode::PAYMENT_REQUIRED, "The plan does not allow more"),
            Self::Range => ("range", StatusCode::RANGE_NOT_SATISFIABLE, "There is no such part"),
            Self::Request => ("request", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::Scope => ("scope", StatusCode::FORBIDDEN, "The credentials lack a scope"),
            Self::Secret => ("secret", StatusCode::UNAUTHORIZED, "The webhook's secret is missing or wrong"),
            Self::SignedIn => ("signed-in", StatusCode::CONFLICT, "The browser is signed in already"),
            Self::SlowConnection => {
                ("slow-connection", StatusCode::SERVICE_UNAVAILABLE, "The connection takes nothing now")
            }
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::TooMany => ("too-many", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_type_has_a_code_and_a_title_of_its_own() {
        let codes: BTreeSet<&str> = ProblemType::ALL.iter().map(|it| it.definition().0).collect();
        let titles: BTreeSet<&str> = ProblemType::ALL.iter().map(|it| it.definition().2).collect();
        assert_eq!((codes.len(), titles.len()), (ProblemType::ALL.len(), ProblemType::ALL.len()));
        for (code, status, title) in ProblemType::ALL.map(ProblemType::definition) {
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert!(code.bytes().all(|it| it.is_ascii_lowercase() || it == b'-'), "{code}");
            assert!(title.starts_with(char::is_uppercase) && !title.ends_with('.'), "{title}");
        }
    }
}
