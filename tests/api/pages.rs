//! Pages at other origins: preflights, what they may read, and a real browser on two origins (CORS, the Fetch standard).

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::tools::{Talker, chromium, node};
use system_tests::{World, noise, own_stack, project, text};

use crate::analysis::images::{File, generate};

const NEWS: &str = "https://news.example.com";
const EVIL: &str = "https://evil.example.com";

async fn list(world: &World<'_>, origins: Value) -> (u16, Value) {
    world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "allowed_origins": origins }))).await
}

/// Asks as a browser does before it sends a request of a page; answers status and headers.
async fn preflight(world: &World<'_>, path: &str, origin: &str) -> (u16, HeaderMap) {
    let request = world.http.request("OPTIONS".parse().unwrap(), format!("{}{path}", world.stack.url));
    let request = request.header("origin", origin).header("access-control-request-method", "PUT");
    let answer = request.header("access-control-request-headers", "authorization,x-signalr-user-agent").send().await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

/// Reads with the application's keys from a page; answers the status and the origin that may read it.
async fn read(world: &World<'_>, path: &str, origin: &str) -> (u16, Option<String>) {
    let request = world.http.get(format!("{}{path}", world.stack.url)).header("origin", origin);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let answer = request.send().await.unwrap();
    let allowed = answer.headers().get("access-control-allow-origin").map(|it| it.to_str().unwrap().to_owned());
    assert!(answer.headers().get_all("vary").iter().any(|it| it == "Origin"), "{path}: caches tell origins apart");
    (answer.status().as_u16(), allowed)
}

#[test]
fn pages_of_listed_origins_may_call_and_others_may_not() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        // one that no other test lists: preflights are answered for what any application lists
        let own = format!("https://news-{app}.example.com");
        let paths = [
            "/api/v1/Inbox/jane/Counts".to_owned(),
            "/api/v1/Media/Buckets".to_owned(),
            format!("{CHANNELS}/All?applicationId={app}"),
            format!("/api/v1/Image/Generation/CheckUserProgress?applicationId={app}&userId=1"),
        ];
        assert_eq!(read(world, &paths[0], &own).await, (200, None), "nobody is listed yet");
        assert_eq!(preflight(world, &paths[0], &own).await.0, 403);
        // stored as a browser sends it
        let written = format!("HTTPS://News-{}.Example.com:443/", app.to_uppercase());
        let (status, set) = list(world, json!([written, "https://bücher.example"])).await;
        assert_eq!((status, &set["allowed_origins"]), (200, &json!([own, "https://xn--bcher-kva.example"])));
        for path in paths.iter().map(String::as_str).chain(["/hubs/notifications/negotiate?negotiateVersion=1"]) {
            let (status, headers) = preflight(world, path, &own).await;
            assert_eq!((status, &headers["access-control-allow-origin"]), (204, &own.parse().unwrap()), "{path}");
            assert_eq!(headers["access-control-allow-headers"], "authorization,x-signalr-user-agent");
            let methods = headers["access-control-allow-methods"].to_str().unwrap();
            assert!(["GET", "POST", "PUT", "DELETE"].iter().all(|it| methods.contains(it)), "{methods}");
            assert_eq!(headers["access-control-allow-credentials"], "true", "SignalR's client sends with credentials");
            let (status, headers) = preflight(world, path, EVIL).await;
            assert_eq!((status, headers.get("access-control-allow-origin")), (403, None), "{path}");
        }
        for path in &paths {
            assert_eq!(read(world, path, &own).await, (200, Some(own.clone())), "{path}");
            assert_eq!(read(world, path, EVIL).await, (200, None), "{path}");
        }
        // errors can be read as well, before and after somebody is known
        let (status, allowed) = read(world, "/api/v1/Media/Buckets/none", &own).await;
        assert!(status >= 400 && allowed.as_deref() == Some(own.as_str()), "{status} {allowed:?}");
        let nobody = world.http.get(format!("{}{}", world.stack.url, paths[0])).header("origin", &own).send().await;
        let nobody = nobody.unwrap();
        assert_eq!(
            (nobody.status().as_u16(), &nobody.headers()["access-control-allow-origin"]),
            (401, &own.parse().unwrap())
        );
        // another application's list is not this one's
        let other = World::at(world.stack).await;
        assert_eq!(read(&other, "/api/v1/Media/Buckets", &own).await, (200, None));
        // an origin that is not listed any more
        assert_eq!(list(world, json!([])).await.0, 200);
        world
            .until("the list is obeyed", async || (read(world, &paths[0], &own).await == (200, None)).then_some(()))
            .await;
        for bad in ["https://news.example.com/start", "https://*.example.com", "*", "null", "news.example.com"] {
            let (status, refused) = list(world, json!([bad])).await;
            assert_eq!((status, &refused["field"]), (422, &json!("allowed_origins")), "{bad}");
        }
        // what is public, any page may read
        let docs = world.http.get(format!("{}/docs/openapi.json", world.stack.url)).header("origin", EVIL).send().await;
        assert_eq!(docs.unwrap().headers()["access-control-allow-origin"], "*");
    });
}

#[test]
fn the_deployments_origins_hold_for_every_application() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack =
            own_stack(folder.path(), &[("AllowedOrigins", "https://News.example.com, http://127.0.0.1:3000")]).await;
        let world = &World::open(&stack).await;
        let path = "/api/v1/Inbox/jane/Counts";
        assert_eq!(preflight(world, path, NEWS).await.0, 204);
        assert_eq!(read(world, path, NEWS).await, (200, Some(NEWS.to_owned())));
        assert_eq!(read(world, path, EVIL).await, (200, None));
    });
}

/// The paths of two pictures that are too large for an answer: one as it was made, and one that becomes so as a PNG.
async fn large_pictures(world: &World<'_>) -> String {
    let mut paths = Vec::new();
    for format in ["0", "1"] {
        let fields = [("renderKind", "4096.0"), ("userId", "1"), ("format", format), ("crop", "center")];
        let (status, process) = generate(world, &fields, Some(File("uploadedImage", noise(800)))).await;
        assert_eq!(status, 200, "{process}");
        let query = format!(
            "applicationId={}&imageRenderProcessId={}",
            world.keys.application_id,
            text(&process["imageRenderProcessId"])
        );
        let task = text(&process["tasks"][0]["taskId"]);
        paths.push((query.clone(), format!("/api/v1/Image/Generation/Download?{query}&taskId={task}&format=0.0")));
    }
    for (query, _) in &paths {
        let path = format!("/api/v1/Image/Generation/CheckUserProgress?{query}");
        let done = async || (world.get(&path).await[0]["tasks"][0]["isSuccessful"] == true).then_some(());
        world.until("the picture is made", done).await;
    }
    json!(paths.into_iter().map(|it| it.1).collect::<Vec<_>>()).to_string()
}

#[test]
fn a_page_at_another_origin_reads_an_inbox_and_opens_a_hub_in_a_real_browser() {
    World::run(async |world| {
        chromium().await;
        let _hook = world.webhook(&[("format", "adcreative")]).await; // who is told of pictures
        let pictures = large_pictures(world).await;
        let (modules, token) = (node().await.to_string_lossy().into_owned(), world.token("jane", &[]).await);
        world.send("jane", "before").await;
        let environment = [
            ("URL", world.stack.url.as_str()),
            ("TOKEN", &token),
            ("USER_ID", "jane"),
            ("MODULES", &modules),
            ("PICTURES", &pictures),
            ("KEY", &world.keys.api_key),
            ("SECRET", &world.keys.api_secret),
        ];
        let script = project().join("tests/clients/two_origins.mjs").to_string_lossy().into_owned();
        let mut browser = Talker::start("node", &[&script], &environment);
        let origin = browser.until("origin ").await.trim_start_matches("origin ").to_owned();
        assert_eq!(list(world, json!([origin])).await.0, 200);
        browser.answer("listed").await;
        assert_eq!(browser.until("home read").await, "home read 200 before");
        browser.until("home subscribed").await;
        for _ in 0..2 {
            // over the link, for which the browser asks the bucket first
            let line = browser.until("home picture").await;
            let bytes = line.strip_prefix("home picture 200 true image/png ").and_then(|it| it.parse::<u64>().ok());
            assert!(bytes.is_some_and(|it| it > 4_000_000), "{line}");
        }
        assert_eq!(browser.until("foreign ").await, "foreign refused TypeError");
        assert_eq!(browser.until("foreign picture").await, "foreign picture refused TypeError");
        assert_eq!(browser.until("foreign hub").await, "foreign hub refused");
        world.send("jane", "for the page").await;
        browser.until("told for the page").await;
        browser.answer("done").await;
    });
}
