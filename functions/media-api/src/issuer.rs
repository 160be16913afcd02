//! OpenID Connect issuers among an application's settings.

use domain::AppId;
use domain::masking::MASK;
use domain::settings::{ConsoleClient, OidcIssuer};
use domain::ssrf::{AllowedNetworks, check_endpoint};
use entry::Secrets;
use entry::http::Problem;
use entry::secrets::client_secret_field;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most bytes of what a client is asked for, of its id, and of its secret.
const MAX_SCOPE_BYTES: usize = 1_000;
const MAX_CLIENT_ID_BYTES: usize = 255;
const MAX_CLIENT_SECRET_BYTES: usize = 1_000;

/// Validates all issuers. A client keeps its stored secret.
///
/// # Errors
/// 422 for more than 10 issuers, an address that is refused, an unknown scope, or a client that cannot be.
pub(crate) fn validate(
    all: &[IssuerBody],
    before: &[OidcIssuer],
    allowed: &AllowedNetworks,
) -> Result<Vec<OidcIssuer>, Problem> {
    if all.len() > 10 {
        return Err(invalid("at most 10"));
    }
    all.iter().map(|it| it.validate(before, allowed)).collect()
}

/// Whether the secret of a client of `issuers`, which have the stored ones, is replaced or removed by those that were `sent`.
pub(crate) fn replaces_secret(sent: &[IssuerBody], issuers: &[OidcIssuer]) -> bool {
    sent.iter().zip(issuers).any(|(sent, issuer)| match sent.sent_secret() {
        None => false,
        Some("") => issuer.console.as_ref().is_some_and(|it| it.client_secret.is_some()),
        Some(_) => true,
    })
}

/// Seals the secrets of clients that were sent for `issuers`, which are those of `sent`. An empty one is no secret.
pub(crate) async fn seal_client_secrets(
    secrets: &Secrets,
    app: AppId,
    sent: &[IssuerBody],
    issuers: &mut [OidcIssuer],
) -> Result<(), Problem> {
    for (sent, issuer) in sent.iter().zip(issuers) {
        if let (Some(secret), Some(client)) = (sent.sent_secret(), &mut issuer.console) {
            let field = client_secret_field(&issuer.issuer, &client.client_id);
            client.client_secret = match secret {
                "" => None,
                secret => Some(secrets.seal(app, &field, secret.as_bytes()).await?),
            };
        }
    }
    Ok(())
}

/// An OpenID Connect issuer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerBody {
    /// The `iss` of its tokens; its configuration is at `{issuer}/.well-known/openid-configuration`
    #[schema(example = "https://login.example.com")]
    issuer: String,
    /// The `aud` of tokens for this API
    #[schema(min_length = 1, max_length = 255)]
    audience: String,
    /// Scopes that its tokens may have (`media`, `channels`, `inbox`, `images`, `keys`, and `read` for a viewer); without scopes a token is for
    /// its user's own inbox
    #[serde(default)]
    scopes: Vec<String>,
    /// With it, people sign in to the console at this issuer
    #[serde(default, skip_serializing_if = "Option::is_none")]
    console: Option<ClientBody>,
}

/// The console as a client of an issuer. Its redirect URI is `{address of the deployment}/console/callback`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientBody {
    client_id: String,
    /// Of a confidential client. If it is absent or masked, the stored one is kept; an empty one removes it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// What is asked for, separated by spaces, `openid` among it; by default `openid` and the names of `scopes`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl IssuerBody {
    pub(crate) fn shown(issuer: &OidcIssuer) -> Self {
        let scopes = issuer.scopes.iter().map(|it| it.name().to_owned()).collect();
        let console = issuer.console.as_ref().map(|it| ClientBody {
            client_id: it.client_id.clone(),
            client_secret: it.client_secret.as_ref().map(|_| MASK.to_owned()),
            scope: it.scope.clone(),
        });
        Self { issuer: issuer.issuer.clone(), audience: issuer.audience.clone(), scopes, console }
    }

    /// The secret of its client, if one was sent.
    fn sent_secret(&self) -> Option<&str> {
        self.console.as_ref()?.client_secret.as_deref().filter(|it| *it != MASK)
    }

    fn validate(&self, before: &[OidcIssuer], allowed: &AllowedNetworks) -> Result<OidcIssuer, Problem> {
        check_endpoint(&self.issuer, allowed).map_err(|error| invalid(error.to_string()))?;
        if self.audience.is_empty() || self.audience.len() > 255 {
            return Err(invalid("an audience has 1 to 255 characters"));
        }
        let scopes = self.scopes.iter().map(|it| it.parse()).collect::<Result<_, ()>>();
        let scopes = scopes.map_err(|()| invalid("a scope is not known"))?;
        let mut console = self.console.as_ref().map(ClientBody::validate).transpose()?;
        if let Some(client) = &mut console {
            // a secret is kept for the client that it was stored for, and for no other issuer
            let same = before.iter().filter(|it| it.issuer == self.issuer).filter_map(|it| it.console.as_ref());
            let same = same.filter(|it| it.client_id == client.client_id).find_map(|it| it.client_secret.clone());
            let sent = self.console.as_ref().and_then(|it| it.client_secret.as_deref());
            if sent == Some(MASK) && same.is_none() {
                return Err(invalid("a client that moves to another issuer needs its secret again"));
            }
            client.client_secret = same;
        }
        Ok(OidcIssuer { issuer: self.issuer.clone(), audience: self.audience.clone(), scopes, console })
    }
}

impl ClientBody {
    /// The client, without its secret.
    fn validate(&self) -> Result<ConsoleClient, Problem> {
        let is_text = |it: &str, most: usize| it.len() <= most && it.bytes().all(|it| it.is_ascii_graphic());
        if self.client_id.is_empty() || !is_text(&self.client_id, MAX_CLIENT_ID_BYTES) {
            return Err(invalid(format!("a client_id has 1 to {MAX_CLIENT_ID_BYTES} printable characters")));
        }
        if self.client_secret.as_ref().is_some_and(|it| !is_text(it, MAX_CLIENT_SECRET_BYTES)) {
            return Err(invalid(format!("a client_secret has up to {MAX_CLIENT_SECRET_BYTES} printable characters")));
        }
        if let Some(scope) = &self.scope {
            let is_asked = scope.len() <= MAX_SCOPE_BYTES
                && scope.split(' ').all(|it| !it.is_empty() && is_text(it, MAX_SCOPE_BYTES))
                && scope.split(' ').any(|it| it == "openid");
            if !is_asked {
                return Err(invalid("a scope is words with one space between them, `openid` among them"));
            }
        }
        Ok(ConsoleClient { client_id: self.client_id.clone(), client_secret: None, scope: self.scope.clone() })
    }
}

fn invalid(reason: impl Into<String>) -> Problem {
    Problem::invalid("oidc_issuers", reason)
}

#[cfg(test)]
mod tests {
    use domain::bucket::SealedSecret;
    use serde_json::json;

    use super::*;

    fn issuer(client: serde_json::Value) -> IssuerBody {
        let body =
            json!({ "issuer": "https://login.example.com", "audience": "a", "scopes": ["read"], "console": client });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_client_keeps_its_secret_and_gives_it_to_no_other() {
        let client = json!({ "client_id": "c" });
        let allowed = AllowedNetworks::default();
        let mut before = validate(&[issuer(client.clone())], &[], &allowed).unwrap();
        assert_eq!(before[0].requested_scope(), "openid read");
        let stored = Some(SealedSecret("sealed".to_owned()));
        before[0].console.as_mut().unwrap().client_secret = stored.clone();
        let kept = |it: IssuerBody| {
            let validated = validate(&[it], &before, &allowed).map_err(|it| it.status)?;
            Ok::<_, u16>(validated[0].console.as_ref().and_then(|it| it.client_secret.clone()))
        };
        assert_eq!(kept(issuer(client.clone())), Ok(stored.clone()));
        assert_eq!(kept(issuer(json!({ "client_id": "c", "client_secret": MASK }))), Ok(stored));
        assert_eq!(kept(issuer(json!({ "client_id": "other" }))), Ok(None));
        assert_eq!(kept(issuer(json!({ "client_id": "other", "client_secret": MASK }))), Err(422));
        let moved = IssuerBody { issuer: "https://evil.example.com".to_owned(), ..issuer(client) };
        assert_eq!(kept(moved), Ok(None));
        assert_eq!(serde_json::to_value(IssuerBody::shown(&before[0])).unwrap()["console"]["client_secret"], MASK);
    }

    #[test]
    fn a_secret_is_replaced_by_another_and_removed_by_none() {
        let allowed = AllowedNetworks::default();
        let without = validate(&[issuer(json!({ "client_id": "c" }))], &[], &allowed).unwrap();
        let mut with = without.clone();
        with[0].console.as_mut().unwrap().client_secret = Some(SealedSecret("sealed".to_owned()));
        for (sent, of_none, of_stored) in [
            (json!(null), false, false),
            (json!(MASK), false, false),
            (json!(""), false, true),
            (json!("other"), true, true),
        ] {
            let body = [issuer(json!({ "client_id": "c", "client_secret": sent }))];
            assert_eq!(
                (replaces_secret(&body, &without), replaces_secret(&body, &with)),
                (of_none, of_stored),
                "{sent}"
            );
        }
    }

    #[test]
    fn what_no_client_has_is_refused() {
        for wrong in [
            json!({ "client_id": "" }),
            json!({ "client_id": "a b" }),
            json!({ "client_id": "x".repeat(256) }),
            json!({ "client_id": "c", "client_secret": "a\nb" }),
            json!({ "client_id": "c", "scope": "" }),
            json!({ "client_id": "c", "scope": "media read" }),
            json!({ "client_id": "c", "scope": "openid  read" }),
        ] {
            let refused = validate(&[issuer(wrong.clone())], &[], &AllowedNetworks::default());
            assert_eq!(
                refused.map_err(|it| (it.status, it.field)).err(),
                Some((422, Some("oidc_issuers".to_owned()))),
                "{wrong}"
            );
        }
        let asks = json!({ "client_id": "c", "scope": "openid api://notify/read" });
        assert!(validate(&[issuer(asks)], &[], &AllowedNetworks::default()).is_ok());
    }
}
