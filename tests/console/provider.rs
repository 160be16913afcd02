//! Signing in to the console by redirect, at an issuer of the tests' own: what a browser does, and what a thief would.

use reqwest::Url;
use serde_json::{Value, json};
use system_tests::issuer::Issuer;
use system_tests::{World, text};

use crate::console::browser::Browser;

/// What an issuer's tokens for the API say.
fn granted(scope: &str) -> Option<Value> {
    Some(json!({ "aud": "notifications", "scope": scope }))
}

async fn trust(world: &World<'_>, issuer: &Issuer, scopes: &[&str], client: Value) {
    let issuers = json!([{ "issuer": issuer.url, "audience": "notifications", "scopes": scopes, "console": client }]);
    let (status, stored) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "oidc_issuers": issuers }))).await;
    assert_eq!(status, 200, "{stored}");
}

/// What came of a step: where it leads, and the cookies that it sets, by name.
struct Step {
    status: u16,
    location: String,
    cookies: Vec<(String, String)>,
    body: Value,
}

impl Step {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers().get_all(name).into_iter().map(|it| it.to_str().unwrap().to_owned());
        let location = header("location").next().unwrap_or_default();
        let pair = |it: String| {
            let (name, value) = it.split(';').next()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let cookies = header("set-cookie").filter_map(pair).collect();
        let status = answer.status().as_u16();
        Self { status, location, cookies, body: answer.json().await.unwrap_or_default() }
    }

    /// The cookie whose name begins so, as it is sent.
    fn cookie(&self, name: &str) -> String {
        let found = self.cookies.iter().find(|it| it.0.starts_with(name) && !it.1.is_empty());
        found.map(|(name, value)| format!("{name}={value}")).unwrap_or_default()
    }
}

/// Begins to sign in; answers where the browser goes, with the cookie that it keeps.
async fn begin(world: &World<'_>, issuer: &str) -> Step {
    let body = json!({ "applicationId": world.keys.application_id, "issuer": issuer });
    let request = world.http.post(format!("{}/console/sign-in", world.stack.url)).json(&body);
    Step::of(request.header("origin", &world.stack.url).header("sec-fetch-site", "same-origin")).await
}

/// Signs in at the issuer; answers the address that it sends the browser back to.
async fn sign_in(world: &World<'_>, location: &str) -> String {
    let step = Step::of(world.http.get(location)).await;
    assert_eq!(step.status, 302, "{}", step.body);
    step.location
}

/// Comes back to the console.
async fn come_back(world: &World<'_>, address: &str, cookie: &str) -> Step {
    let request = world.http.get(address).header("cookie", cookie);
    let step = Step::of(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(step.status, 303, "{}", step.body);
    step
}

/// All of it; answers the last step.
async fn all(world: &World<'_>, issuer: &Issuer) -> Step {
    let begun = begin(world, &issuer.url).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    come_back(world, &sign_in(world, &text(&begun.body["location"])).await, &begun.cookie("console-sign-in-")).await
}

/// Goes on with a session: the status, and the answer.
async fn go_on(world: &World<'_>, cookie: &str) -> (u16, Value) {
    let request = world.http.post(format!("{}/console/session", world.stack.url)).header("cookie", cookie);
    let step = Step::of(request.header("x-console", "1").header("sec-fetch-site", "same-origin")).await;
    (step.status, step.body)
}

#[test]
fn people_sign_in_at_the_applications_issuer() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        let app = &world.keys.application_id;
        let providers = format!("/console/providers?applicationId={app}");
        assert_eq!(world.get(&providers).await, json!({ "items": [] }));
        trust(world, &issuer, &["media", "read"], json!({ "client_id": "console" })).await;
        issuer.rules(|it| it.access = granted("openid media read channels"));
        assert_eq!(world.get(&providers).await, json!({ "items": [{ "issuer": issuer.url }] }));

        let begun = begin(world, &issuer.url).await;
        let location = Url::parse(&text(&begun.body["location"])).unwrap();
        let asked: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
        assert_eq!(asked["redirect_uri"], format!("{}/console/callback", world.stack.url));
        assert_eq!((&*asked["scope"], &*asked["client_id"]), ("openid media read", "console"));
        let back = sign_in(world, location.as_str()).await;
        let kept = begun.cookie("console-sign-in-");
        let done = come_back(world, &back, &kept).await;
        assert_eq!(done.location, "/console#/overview");
        assert!(
            done.cookies.iter().any(|it| it.0.starts_with("console-sign-in-") && it.1.is_empty()),
            "it is forgotten"
        );
        let session = done.cookies.iter().find(|it| !it.0.starts_with("console-sign-in-")).unwrap();
        let session = format!("{}={}", session.0, session.1);
        let (status, opened) = go_on(world, &session).await;
        assert_eq!(
            (status, &opened["scopes"]),
            (200, &json!(["media", "read"])),
            "no more than the application grants"
        );
        let bearer = format!("Bearer {}", text(&opened["accessToken"]));
        let buckets = world.http.get(format!("{}/api/v1/Media/Buckets", world.stack.url));
        assert_eq!(buckets.header("authorization", bearer).send().await.unwrap().status(), 200);

        // whoever has the address and not the browser, or has it again, is nobody
        let failed = format!("/console#sign-in-failed=expired&application={app}");
        let other = begin(world, &issuer.url).await.cookie("console-sign-in-");
        assert_eq!(come_back(world, &back, &other).await.location, failed);
        assert_eq!(come_back(world, &back, "").await.location, "/console#sign-in-failed=expired");
        let redeemed = issuer.redeemed();
        let again = come_back(world, &back, &kept).await;
        assert!(again.location.contains("failed=issuer") && issuer.redeemed() == redeemed + 1, "{}", again.location);
        assert_eq!(again.cookie("console-"), "");
        let forged = kept.replace('.', "A.");
        assert!(come_back(world, &back, &forged).await.location.contains("failed=expired"));
        assert_eq!(
            come_back(world, &format!("{}/console/callback?state=a&state=b", world.stack.url), &kept).await.location,
            failed
        );

        // the session ends with the trust
        let (status, stored) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({}))).await;
        assert_eq!(status, 200, "{stored}");
        assert_eq!(go_on(world, &session).await.0, 401);
    });
}

#[test]
fn a_browser_is_led_to_the_issuer_and_back() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        trust(world, &issuer, &["media", "read"], json!({ "client_id": "console" })).await;
        issuer.rules(|it| it.access = granted("read"));
        let mut browser = Browser::start().await;
        let page = format!("{}/console#application={}", world.stack.url, world.keys.application_id);
        issuer.rules(|it| it.denies = Some("access_denied".to_owned()));
        browser.open("first", &page).await;
        browser.click("button.primary", "Continue").await;
        browser.wait(".note", "did not sign you in").await;
        issuer.rules(|it| it.denies = None);
        // the application is still there: one more click
        browser.click("button.primary", "Continue").await;
        browser.wait("h1", "Overview").await;
        browser.wait(".bar .badge", "viewer").await;
        browser.wait(".bar .badge", "live").await;
        let address = browser.run(json!({ "do": "address" })).await;
        assert_eq!(address, json!(format!("{}/console#/overview", world.stack.url)), "no code is left in the address");
        let stored = browser.run(json!({ "do": "stored" })).await;
        assert_eq!(stored, json!({ "local": 0, "session": 0, "cookie": "" }));
        let cookies = browser.run(json!({ "do": "cookies" })).await;
        assert_eq!(cookies.as_array().map(Vec::len), Some(1), "the session's alone: {cookies}");
    });
}

#[test]
fn a_wrong_answer_of_an_issuer_signs_nobody_in() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        let client = json!({ "client_id": "console: a", "client_secret": "s/e+c%r&t", "scope": "openid profile" });
        let refused = json!([{ "issuer": issuer.url, "audience": "a", "console": client }]);
        let (status, _) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "oidc_issuers": refused }))).await;
        assert_eq!(status, 422, "an id with a blank");
        let client = json!({ "client_id": "console:a", "client_secret": "s/e+c%r&t", "scope": "openid profile" });
        trust(world, &issuer, &["read"], client).await;
        let shown = world.get("/api/v1/Media/Settings").await["oidc_issuers"][0]["console"].clone();
        assert_eq!(shown, json!({ "client_id": "console:a", "client_secret": "********", "scope": "openid profile" }));
        // stored again as it is shown, the secret stays
        trust(world, &issuer, &["read"], shown).await;
        issuer.rules(|it| it.secret = Some("s/e+c%r&t".to_owned()));
        issuer.rules(|it| it.access = granted("read"));
        let page = all(world, &issuer).await;
        assert_eq!((page.location.as_str(), page.cookie("console-").is_empty()), ("/console#/overview", false));

        // an opaque access token leaves the ID token's scopes, and without any there is nothing to see
        let opaque = async |scope: Value| {
            issuer.rules(|it| (it.access, it.id) = (None, json!({ "scope": scope })));
            let page = all(world, &issuer).await;
            (page.location.clone(), page.cookie("console-").is_empty())
        };
        assert_eq!(opaque(json!("read")).await, ("/console#/overview".to_owned(), false));
        let (location, is_out) = opaque(Value::Null).await;
        assert!(location.contains("failed=scope") && is_out, "{location}");

        let mut tried = Vec::new();
        for (name, id) in [
            ("another's nonce", json!({ "nonce": "another" })),
            ("no nonce", json!({ "nonce": null })),
            ("for another client", json!({ "aud": "another" })),
            ("for several clients", json!({ "aud": ["console:a", "another"] })),
            ("of another authorized party", json!({ "azp": "another" })),
            ("expired", json!({ "exp": 1 })),
            ("of another issuer", json!({ "iss": "https://login.example.com" })),
            ("without a subject", json!({ "sub": null })),
        ] {
            issuer.rules(|it| (it.access, it.id) = (granted("read"), id));
            tried.push((name, all(world, &issuer).await, "issuer"));
        }
        issuer.rules(|it| it.id = Value::Null);
        issuer.rules(|it| it.denies = Some("access_denied".to_owned()));
        tried.push(("denied", all(world, &issuer).await, "denied"));
        issuer.rules(|it| it.denies = None);
        issuer.rules(|it| it.named = Some("https://evil.example.com".to_owned()));
        let redeemed = issuer.redeemed();
        tried.push(("the answer of another issuer", all(world, &issuer).await, "issuer"));
        assert_eq!(issuer.redeemed(), redeemed, "its code is not redeemed here");
        issuer.rules(|it| it.named = None);
        issuer.rules(|it| it.secret = Some("another".to_owned()));
        tried.push(("a wrong secret", all(world, &issuer).await, "issuer"));
        for (name, page, want) in tried {
            assert!(page.location.contains(&format!("failed={want}&")), "{name}: {}", page.location);
            assert_eq!(page.cookie("console-"), "", "{name}");
        }

        // an issuer has no address called that the deployment would not call
        let inside = Issuer::start().await;
        inside.rules(|it| it.token_endpoint = Some("http://169.254.169.254/token".to_owned()));
        trust(world, &inside, &["read"], json!({ "client_id": "console" })).await;
        let page = all(world, &inside).await;
        assert!(page.location.contains("failed=issuer") && inside.redeemed() == 0, "{}", page.location);

        // and nobody else's page begins it
        let body = json!({ "applicationId": world.keys.application_id, "issuer": inside.url });
        let request = world.http.post(format!("{}/console/sign-in", world.stack.url)).json(&body);
        assert_eq!(Step::of(request.header("sec-fetch-site", "cross-site")).await.status, 403);
        let unknown = begin(world, "https://login.example.com").await;
        assert_eq!((unknown.status, &unknown.body["field"]), (422, &json!("issuer")));
    });
}
