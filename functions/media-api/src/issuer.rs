//! OpenID Connect issuers among an application's settings.

use domain::settings::OidcIssuer;
use domain::ssrf::{AllowedNetworks, check_endpoint};
use entry::http::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Validates all issuers.
///
/// # Errors
/// 422 for more than 10 issuers, an address that is refused, or an unknown scope.
pub(crate) fn validate(all: &[IssuerBody], allowed: &AllowedNetworks) -> Result<Vec<OidcIssuer>, Problem> {
    if all.len() > 10 {
        return Err(Problem::invalid("oidc_issuers", "at most 10"));
    }
    all.iter().map(|it| it.validate(allowed)).collect()
}

/// An OpenID Connect issuer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerBody {
    /// The `iss` of its tokens; its configuration is at `{issuer}/.well-known/openid-configuration`
    #[schema(example = "https://login.example.com")]
    issuer: String,
    /// The `aud` of tokens for this API
    audience: String,
    /// Scopes that its tokens may have (`media`, `channels`, `inbox`, `images`, `keys`, and `read` for a viewer); without scopes a token is for
    /// its user's own inbox
    #[serde(default)]
    scopes: Vec<String>,
}

impl IssuerBody {
    pub(crate) fn shown(issuer: &OidcIssuer) -> Self {
        let scopes = issuer.scopes.iter().map(|it| it.name().to_owned()).collect();
        Self { issuer: issuer.issuer.clone(), audience: issuer.audience.clone(), scopes }
    }

    fn validate(&self, allowed: &AllowedNetworks) -> Result<OidcIssuer, Problem> {
        check_endpoint(&self.issuer, allowed).map_err(|error| Problem::invalid("oidc_issuers", error.to_string()))?;
        if self.audience.is_empty() || self.audience.len() > 255 {
            return Err(Problem::invalid("oidc_issuers", "an audience has 1 to 255 characters"));
        }
        let scopes = self.scopes.iter().map(|it| it.parse()).collect::<Result<_, ()>>();
        let scopes = scopes.map_err(|()| Problem::invalid("oidc_issuers", "a scope is not known"))?;
        Ok(OidcIssuer { issuer: self.issuer.clone(), audience: self.audience.clone(), scopes })
    }
}
