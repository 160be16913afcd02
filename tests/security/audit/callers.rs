//! Credentials of every kind that must not do: none, another application's, a key that lacks what is wanted, other
//! users', forged ones, and what was good once.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use system_tests::issuer::Issuer;
use system_tests::{World, in_seconds, text};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::security::audit::operations::address;
use crate::security::audit::planted::{GROUP, USER};

/// What keys are good for.
const SCOPES: [&str; 9] =
    ["media", "channels", "channels:reveal", "images", "inbox", "messages", "oma", "billing", "keys"];
/// The audience of the issuer's tokens.
const AUDIENCE: &str = "audit";

/// What credentials are, seen from the application that is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nobody's, or no more.
    Nobody,
    /// Another application's, with all that it may.
    Foreign,
    /// A key without this scope, and with all others.
    Lacking(&'static str),
    /// A key that only reads.
    Viewer,
    /// The application's own token alone: as good as a key, but for channels and keys.
    Token,
    /// Another application's own token alone.
    ForeignToken,
    /// The very user's whose things are asked for.
    Jane,
    /// Another user's of the same application.
    John,
    /// A user's of another application, of the same name and in a group of the same name.
    Stranger,
    /// The very user's ticket, a new one each time: it opens a socket, and nothing else.
    Ticket,
}

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) class: Class,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The application that it says it acts for, and whether that is the one that is attacked.
    pub(crate) named: String,
    pub(crate) names_them: bool,
    /// Whether also its body, and what is typed in its query, is wrong: nobody is told so before he is known.
    pub(crate) broken: bool,
}

impl Caller {
    /// Somebody who says to act for an application.
    pub(crate) fn new(name: &str, class: Class, headers: &[(&'static str, &str)], named: &World<'_>) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let named = named.keys.application_id.clone();
        Self { name: name.to_owned(), class, headers, named, names_them: true, broken: false }
    }

    pub(crate) fn bearer(name: &str, class: Class, token: &str, named: &World<'_>) -> Self {
        Self::new(name, class, &[("authorization", &format!("Bearer {token}"))], named)
    }

    pub(crate) fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|it| it.0 == header)
    }

    /// The same, who says to act for the other application.
    fn at_home(self, other: &World<'_>) -> Self {
        Self { named: other.keys.application_id.clone(), names_them: false, ..self }
    }
}

/// A key pair as headers.
pub(crate) fn pair<'a>(key: &'a str, secret: &'a str) -> [(&'static str, &'a str); 2] {
    [("x-api-key", key), ("x-api-secret", secret)]
}

/// What an application's settings say to trust the issuer with all scopes.
pub(crate) fn trusted(issuer: &Issuer) -> Value {
    let scopes: Vec<&str> = SCOPES.into_iter().filter(|it| *it != "channels:reveal").collect();
    json!([{ "issuer": issuer.url, "audience": AUDIENCE, "scopes": scopes }])
}

/// Everybody who tries; and what another application sends in a body to get a token of this one.
pub(crate) async fn all(world: &World<'_>, other: &World<'_>, issuer: &Issuer) -> (Vec<Caller>, Value) {
    let (theirs, ours) = (&world.keys, &other.keys);
    let (key, secret) = (theirs.api_key.as_str(), theirs.api_secret.as_str());
    let own = pair(&ours.api_key, &ours.api_secret);
    let nobody = |name: &str, headers: &[(&'static str, &str)]| Caller::new(name, Class::Nobody, headers, world);
    let none = nobody("nobody", &[]);
    let basic = format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
    let mut all = vec![
        Caller { name: "nobody, with nonsense".to_owned(), broken: true, ..none.clone() },
        none,
        nobody("a key without its secret", &[("x-api-key", key)]),
        nobody("a key with a wrong secret", &pair(key, &secret.chars().rev().collect::<String>())),
        nobody("a key with another's secret", &pair(key, &ours.api_secret)),
        nobody("a key pair as another scheme has it", &[("authorization", &basic)]),
        nobody("a wrong operator key", &[("x-operator-key", "op_0000000000000000000000000000000000000000")]),
        nobody("a wrong webhook's secret", &[("x-webhook-secret", "0000000000000000000000000000000000000000")]),
    ];
    let named = [own[0], own[1], ("x-application-id", theirs.application_id.as_str())];
    all.push(Caller::new("another application", Class::Foreign, &named, world));
    all.push(Caller::new("another application, in its own name", Class::Foreign, &own, world).at_home(other));
    for scope in SCOPES.into_iter().filter(|it| *it != "channels:reveal") {
        let others: Vec<&str> = SCOPES.into_iter().filter(|it| *it != scope).collect();
        for (who, app) in [("its", world), ("another's", other)] {
            let it = made(app, &others).await;
            let (key, secret) = (text(&it["apiKey"]), text(&it["apiSecret"]));
            let name = format!("{who} key without {scope}");
            all.push(Caller::new(&name, Class::Lacking(scope), &pair(&key, &secret), app));
        }
    }
    let it = made(world, &["read"]).await;
    let (key, secret) = (text(&it["apiKey"]), text(&it["apiSecret"]));
    all.push(Caller::new("its key that only reads", Class::Viewer, &pair(&key, &secret), world));
    all.extend(ended(world).await);
    let (access, refresh) = (access(world).await.0, access(other).await);
    all.extend(tokens(world, other, &access, &refresh.0).await);
    all.extend(issued(world, other, issuer).await);
    let stolen = json!({
        "applicationId": theirs.application_id, "jwtPrivateKey": ours.jwt_private_key, "refreshToken": refresh.1,
    });
    (all, stolen)
}

/// A key with these scopes, by the operator, who may give any.
async fn made(app: &World<'_>, scopes: &[&str]) -> Value {
    let url = format!("{}/api/v1/Applications/{}/Keys", app.stack.url, app.keys.application_id);
    let request = app.http.post(url).header("x-operator-key", &app.stack.operator_key);
    let answer = request.json(&json!({ "name": "audit", "scopes": scopes })).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

/// Keys and a ticket that were good once. They were never shown, so that nobody remembers them.
async fn ended(world: &World<'_>) -> Vec<Caller> {
    let mut all = Vec::new();
    for name in ["a key that was revoked", "a key that was replaced"] {
        let it = made(world, &SCOPES).await;
        let path = format!("/api/v1/Applications/{}/Keys/{}", world.keys.application_id, text(&it["id"]));
        let (status, answer) = if name.ends_with("revoked") {
            world.ask("DELETE", &path, None).await
        } else {
            // with `channels:reveal` it is more than the application's first key may give away
            let url = format!("{}{path}/rotate", world.stack.url);
            let request = world.http.post(url).header("x-operator-key", &world.stack.operator_key);
            let answer = request.json(&json!({ "overlapSeconds": 0 })).send().await.unwrap();
            (answer.status().as_u16(), Value::Null)
        };
        assert!(matches!(status, 201 | 204), "{name}: {status} {answer}");
        let (key, secret) = (text(&it["apiKey"]), text(&it["apiSecret"]));
        all.push(Caller::new(name, Class::Nobody, &pair(&key, &secret), world));
    }
    let ticket = world.ticket(USER, &[GROUP]).await;
    let url = format!("{}/hubs/notifications/negotiate?negotiateVersion=1", world.stack.url);
    assert_eq!(world.http.post(url).bearer_auth(&ticket).send().await.unwrap().status(), 200);
    all.push(Caller::bearer("a ticket that was used", Class::Nobody, &ticket, world));
    all.push(Caller::bearer("a ticket", Class::Ticket, "", world)); // a new one for each
    all
}

/// An application's own token, and its refresh token.
pub(crate) async fn access(app: &World<'_>) -> (String, String) {
    let ask = json!({ "applicationId": app.keys.application_id, "jwtPrivateKey": app.keys.jwt_private_key });
    let url = format!("{}/api/v1/Authorization/GenerateJwtToken", app.stack.url);
    let answer = app.http.post(url).header("x-forwarded-for", address()).json(&ask).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let it: Value = answer.json().await.unwrap();
    (text(&it["accessToken"]), text(&it["refreshToken"]))
}

/// Tokens of users and of applications: others', alone where they are no credentials, beside keys of another, forged.
async fn tokens(world: &World<'_>, other: &World<'_>, theirs: &str, ours: &str) -> Vec<Caller> {
    let (jane, john) = (world.token(USER, &[GROUP]).await, world.token("john", &[]).await);
    let stranger = other.token(USER, &[GROUP]).await;
    let keys = pair(&world.keys.api_key, &world.keys.api_secret);
    let own = pair(&other.keys.api_key, &other.keys.api_secret);
    let bearer = |name: &str, class, token: &str| Caller::bearer(name, class, token, world);
    let beside = |name: &str, keys: [(&'static str, &str); 2], token: &str| {
        let token = format!("Bearer {token}");
        Caller::new(name, Class::Nobody, &[keys[0], keys[1], ("authorization", &token)], world)
    };
    let parts: Vec<&str> = jane.split('.').collect();
    let [header, claims, tag] = parts[..] else { panic!("a token has three parts") };
    let changed = |it: &str| {
        let first = if it.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &it[1..])
    };
    let signed = |header: &str, claims: &str, tag: &str| format!("{header}.{claims}.{tag}");
    let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "typ": "JWT" }).to_string());
    let another = hmac::Key::new(hmac::HMAC_SHA256, b"a key that is not the one of this application");
    let by_another = hmac::sign(&another, format!("{header}.{claims}").as_bytes());
    let empty = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[]), format!("{header}.{claims}").as_bytes());
    // what another has of its own user, made out to this application; what john has, made out to jane
    let told = |token: &str, name: &str, value: &str| {
        let parts: Vec<&str> = token.split('.').collect();
        let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        claims[name] = json!(value);
        signed(parts[0], &URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
    };
    let access: Vec<&str> = theirs.split('.').collect();
    vec![
        bearer("the very user", Class::Jane, &jane),
        bearer("another user", Class::John, &john),
        bearer("another application's user", Class::Stranger, &stranger).at_home(other),
        bearer("the application's token alone", Class::Token, theirs),
        bearer("another application's token alone", Class::ForeignToken, ours),
        beside("another's token beside its keys", keys, ours),
        beside("another's user beside its keys", keys, &stranger),
        beside("its token beside another's keys", own, theirs),
        beside("its user beside another's keys", own, &jane),
        beside("a forged token beside its keys", keys, &signed(access[0], access[1], &changed(access[2]))),
        bearer("a token with a changed signature", Class::Nobody, &signed(header, claims, &changed(tag))),
        bearer("a token without a signature", Class::Nobody, &signed(header, claims, "")),
        bearer("a token that wants none", Class::Nobody, &signed(&none, claims, "")),
        bearer("a token that wants none, signed", Class::Nobody, &signed(&none, claims, tag)),
        bearer("a token by another key", Class::Nobody, &signed(header, claims, &URL_SAFE_NO_PAD.encode(by_another))),
        bearer("a token by an empty key", Class::Nobody, &signed(header, claims, &URL_SAFE_NO_PAD.encode(empty))),
        bearer("a token made out to jane", Class::Nobody, &told(&john, "sub", USER)),
        bearer(
            "a token made out to the application",
            Class::Nobody,
            &told(&stranger, "ApplicationId", &world.keys.application_id),
        ),
        bearer("a token made out by nobody", Class::Nobody, &told(&jane, "iss", "https://login.example.com")),
    ]
}

/// Tokens of an issuer that the other application trusts, and this one does not.
async fn issued(world: &World<'_>, other: &World<'_>, issuer: &Issuer) -> Vec<Caller> {
    let settings = json!({ "oidc_issuers": trusted(issuer) });
    let (status, answer) = other.ask("PUT", "/api/v1/Media/Settings", Some(settings)).await;
    assert_eq!(status, 200, "{answer}");
    let expires = OffsetDateTime::parse(&in_seconds(3_600), &Rfc3339).unwrap().unix_timestamp();
    let claims = json!({ "aud": AUDIENCE, "sub": USER, "groups": [GROUP], "scope": SCOPES.join(" "), "exp": expires });
    let mut claiming = claims.clone();
    claiming["ApplicationId"] = json!(world.keys.application_id);
    let caller = |name: &str, claims: &Value, named: &World<'_>| {
        let token = format!("Bearer {}", issuer.token(claims));
        let headers = [("authorization", token.as_str()), ("x-application-id", &named.keys.application_id)];
        Caller::new(name, Class::Nobody, &headers, world)
    };
    // where it is trusted it is good
    let own = caller("", &claims, other);
    let request = other.http.request(Method::GET, format!("{}/api/v1/Media/Buckets", other.stack.url));
    let request = own.headers.iter().fold(request, |it, (name, value)| it.header(*name, value));
    assert_eq!(request.send().await.unwrap().status(), 200);
    vec![
        caller("a token of another's issuer", &claims, world),
        caller("a token of another's issuer that names it", &claiming, world),
        caller("a token of another's issuer that names it, for another", &claiming, other),
    ]
}
