//! What every route has in common: forms of errors and bodies, codings, caches, HEAD; and who may come with what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::{World, text};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    gzip.finish().unwrap()
}

fn request(world: &World<'_>, method: Method, path: &str) -> RequestBuilder {
    let request = world.http.request(method, format!("{}{path}", world.stack.url));
    request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret)
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
}

#[test]
fn every_error_is_a_problem() {
    World::run(async |world| {
        let get = |path: &str| request(world, Method::GET, path);
        let (mut titles, mut details) = (BTreeMap::new(), BTreeSet::new());
        let large = vec![b'x'; (10 << 20) + 1];
        let long = vec![b' '; 300_000];
        let user = "/api/v1/Inbox/jane";
        for (request, status) in [
            (get("/nowhere"), 404),
            (get("/api/v1/Nowhere"), 404),
            (get("/docs/nothing"), 404),
            (request(world, Method::PATCH, "/api/v1/Media/Buckets"), 405),
            (request(world, Method::DELETE, "/docs"), 405),
            (request(world, Method::POST, "/api/v1/Media/Buckets").body(large), 413),
            (
                request(world, Method::POST, "/api/v1/Media/Buckets")
                    .header("content-type", "application/json")
                    .body(long),
                413,
            ),
            (
                request(world, Method::POST, "/api/v1/Media/Buckets").header("content-type", "text/plain").body("{}"),
                415,
            ),
            (request(world, Method::POST, "/api/v1/Media/Buckets").header("content-encoding", "br").body("{}"), 415),
            (get(&format!("{user}/Notifications?limit=nonsense")), 422),
            (get(&format!("{user}/Notifications?limit=1000")), 422),
            (get(&format!("{user}/Notifications?since=yesterday")), 422),
            (world.http.post(format!("{}/hubs/notifications/negotiate", world.stack.url)), 401),
            (world.http.get(format!("{}/hubs/notifications/negotiate", world.stack.url)), 405),
        ] {
            let answer = request.send().await.unwrap();
            let what = answer.url().path().to_owned();
            assert!(header(&answer, "content-type").starts_with("application/problem+json"), "{what}: {answer:?}");
            assert_eq!(answer.status().as_u16(), status, "{what}");
            assert_eq!(status == 405, !header(&answer, "allow").is_empty(), "{what} says what it knows");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["status"], status, "{problem}");
            assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
            // RFC 9457, 3.1.4: a title belongs to its type, what differs stands in the detail
            let title = titles.entry(text(&problem["type"])).or_insert_with(|| text(&problem["title"]));
            assert_eq!(*title, text(&problem["title"]), "{problem}");
            details.insert(text(&problem["detail"]));
        }
        assert!(details.len() > titles.len(), "{titles:?} {details:?}");
        // JSON Schema's whole numbers
        let whole = get(&format!("{user}/Notifications?limit=5.0")).send().await.unwrap();
        assert_eq!(whole.status().as_u16(), 200);
        let half = get(&format!("{user}/Notifications?limit=3.5")).send().await.unwrap();
        let half: Value = half.json().await.unwrap();
        assert_eq!((&half["status"], &half["field"]), (&json!(422), &json!("limit")));
        // a handshake that is refused is answered by HTTP
        let handshake = world.http.get(format!("{}/api/v1/Inbox/Socket", world.stack.url));
        let handshake = handshake.header("connection", "upgrade").header("upgrade", "websocket");
        let handshake =
            handshake.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let refused = handshake.send().await.unwrap();
        assert_eq!((refused.status().as_u16(), header(&refused, "content-type")), (401, "application/problem+json"));
        let (start, viewer) = (get("/").send().await.unwrap(), get("/docs/").send().await.unwrap());
        assert_eq!((header(&start, "location"), header(&viewer, "location")), ("/docs", "/docs/index.html"));
    });
}

#[test]
fn bodies_arrive_in_the_forms_of_other_peoples_clients() {
    World::run(async |world| {
        // .NET's MultipartFormDataContent quotes no names
        let part = |name: &str, value: &str| {
            format!(
                "--b0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n"
            )
        };
        let form = part("webHookUrl", "http://127.0.0.1:8200/ok") + &part("retryCount", "3") + "--b0--\r\n";
        let channels = format!("{CHANNELS}/WebHook?applicationId={}", world.keys.application_id);
        let send =
            request(world, Method::POST, &channels).header("content-type", "multipart/form-data; boundary=\"b0\"");
        let answer = send.body(form.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let made: Value = answer.json().await.unwrap();
        assert!(made.to_string().contains("http://127.0.0.1:8200/ok"), "{made}");
        let send = request(world, Method::POST, &channels).header("content-type", "multipart/form-data; boundary=b0");
        let answer = send.header("content-encoding", "gzip").body(gzip(form.as_bytes())).send().await.unwrap();
        assert_eq!(answer.status(), 200, "compressed as well");
        // compressed, up to a bound
        let tell = |body: Vec<u8>| {
            let request = request(world, Method::POST, "/api/v1/Inbox/jane/Notifications");
            request.header("content-type", "application/json").header("content-encoding", "gzip").body(body)
        };
        let answer = tell(gzip(json!({ "title": "pressed" }).to_string().as_bytes())).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(world.get("/api/v1/Inbox/jane/Notifications").await["items"][0]["title"], "pressed");
        assert_eq!(tell(gzip(&vec![b' '; 7 << 20])).send().await.unwrap().status(), 413);
        assert_eq!(tell(b"{}".to_vec()).send().await.unwrap().status(), 400);
        let other = request(world, Method::POST, "/api/v1/Inbox/jane/Notifications").header("content-encoding", "zstd");
        let other = other.header("content-type", "application/json").body("{}").send().await.unwrap();
        assert_eq!((other.status().as_u16(), header(&other, "accept-encoding")), (415, "gzip"));
        // nothing at all, where nothing has to be said
        for (path, member) in [("Tickets", "ticket"), ("Tokens", "token")] {
            let (status, made) = world.ask("POST", &format!("/api/v1/Inbox/jane/{path}"), None).await;
            assert!(status == 201 && made[member].is_string(), "{path}: {status} {made}");
        }
        let rotate = format!("/api/v1/Applications/{}/JwtKey/rotate", world.keys.application_id);
        assert_eq!(world.ask("POST", &rotate, None).await.0, 200);
        let secret = [("configurationId", made["id"].as_str().unwrap())];
        let (status, rotated) =
            world.channels(Method::POST, &format!("{CHANNELS}/WebHook/RotateSecret"), &secret, None).await;
        assert_eq!(status, 200, "{rotated}");
        let (status, missed) = world.ask("POST", "/api/v1/Inbox/jane/Notifications", None).await;
        assert_eq!(status, 422, "{missed}");
        assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", None).await.0, 415, "whoever replaces says by what");
    });
}

#[test]
fn caches_keep_what_is_the_same_for_all_and_nothing_else() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let jwks = format!("/api/v1/Notification/Jwks?applicationId={app}");
        let same =
            ["/docs/openapi.json", "/docs/asyncapi.json", "/docs/guide/security", "/docs/swagger-ui-bundle.js", &jwks];
        for path in same {
            let get = || world.http.get(format!("{}{path}", world.stack.url));
            let plain = get().header("accept-encoding", "identity").send().await.unwrap();
            let (tag, kept) = (header(&plain, "etag").to_owned(), header(&plain, "cache-control").to_owned());
            assert!(plain.status() == 200 && !tag.is_empty() && kept.starts_with("public"), "{path}: {plain:?}");
            let head = world.http.head(format!("{}{path}", world.stack.url)).header("accept-encoding", "identity");
            let head = head.send().await.unwrap();
            assert_eq!(header(&head, "content-length"), header(&plain, "content-length"), "{path}");
            assert_eq!((header(&head, "etag"), header(&head, "content-type")), (&*tag, header(&plain, "content-type")));
            let plain = plain.bytes().await.unwrap();
            let again = get().header("if-none-match", &tag).send().await.unwrap();
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, &*tag), "{path}");
            assert!(again.bytes().await.unwrap().is_empty());
            assert_eq!(get().header("if-none-match", "\"other\"").send().await.unwrap().status(), 200);
            if path == jwks {
                continue; // too short to gain anything
            }
            let pressed = get().header("accept-encoding", "gzip").send().await.unwrap();
            assert_eq!((header(&pressed, "content-encoding"), header(&pressed, "etag")), ("gzip", &*tag), "{path}");
            let pressed = pressed.bytes().await.unwrap();
            let mut whole = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&pressed[..]), &mut whole).unwrap();
            assert!(whole == plain && pressed.len() < plain.len() / 2, "{path}: {} of {}", pressed.len(), plain.len());
        }
        // answers that are somebody's own, with secrets and without
        let keys = format!("/api/v1/Applications/{app}/Keys");
        for (request, status) in [
            (request(world, Method::POST, &keys).json(&json!({ "name": "kept by nobody" })), 201),
            (request(world, Method::POST, "/api/v1/Inbox/jane/Tickets"), 201),
            (request(world, Method::POST, "/api/v1/Inbox/jane/Tokens"), 201),
            (request(world, Method::POST, &format!("/api/v1/Applications/{app}/JwtKey/rotate")), 200),
            (request(world, Method::GET, "/api/v1/Inbox/jane/Notifications"), 200),
            (request(world, Method::GET, "/api/v1/Media/Settings"), 200),
            (request(world, Method::GET, "/api/v1/Media/Items/itm_00000000000000000000000000000001"), 404),
            (world.http.get(format!("{}/api/v1/Media/Settings", world.stack.url)), 401),
        ] {
            let answer = request.header("accept-encoding", "gzip").send().await.unwrap();
            let what = answer.url().path().to_owned();
            assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (status, "no-store"), "{what}");
            assert_eq!(header(&answer, "content-encoding"), "", "{what}");
            // the settings' says which version a change is meant for
            let etag = if what.ends_with("Settings") && status == 200 { "\"0\"" } else { "" };
            assert_eq!(header(&answer, "etag"), etag, "{what}");
        }
    });
}

#[test]
fn an_applications_own_token_is_good_alone_for_all_but_channels_and_keys() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        let ask = json!({ "applicationId": app, "jwtPrivateKey": world.keys.jwt_private_key });
        let (status, token) = world.ask("POST", "/api/v1/Authorization/GenerateJwtToken", Some(ask)).await;
        assert_eq!(status, 200, "{token}");
        let token = text(&token["accessToken"]);
        let with = async |token: &str, path: &str| {
            let request = world.http.get(format!("{}{path}", world.stack.url)).bearer_auth(token);
            request.send().await.unwrap()
        };
        let channels = format!("{CHANNELS}/All?applicationId={app}");
        let keys = format!("/api/v1/Applications/{app}/Keys");
        let images = format!("/api/v1/Image/Generation/CheckUserProgress?applicationId={app}&userId=1");
        for (path, want) in [
            ("/api/v1/Media/Buckets", 200),
            ("/api/v1/Inbox/jane/Counts", 200),
            ("/api/v1/Groups/editors/Notifications", 200),
            (&images, 200),
            (&channels, 401), // the published API wants all three (channel API, section 2.4)
            (&keys, 401),
        ] {
            assert_eq!(with(&token, path).await.status(), want, "{path}");
            let forged = format!("{}x", &token[..token.len() - 1]);
            assert_eq!(with(&forged, path).await.status(), 401, "{path}");
        }
        let refused: Value = with(&token, &channels).await.json().await.unwrap();
        let want = "Token is missing, invalid or ApplicationId is not found in the token.";
        assert_eq!(refused["errors"]["business:"][0], want);
        let user = world.token("jane", &[]).await;
        assert_eq!(with(&user, "/api/v1/Media/Buckets").await.status(), 401, "a user's is for the user's own");
        // whoever cannot do what such a token can, makes no new key for it
        let (_, made) = world.ask("POST", &keys, Some(json!({ "name": "warden", "scopes": ["keys", "media"] }))).await;
        let rotate = world.http.post(format!("{}/api/v1/Applications/{app}/JwtKey/rotate", world.stack.url));
        let rotate = rotate.header("x-api-key", text(&made["apiKey"])).header("x-api-secret", text(&made["apiSecret"]));
        let refused = rotate.send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let refused: Value = refused.json().await.unwrap();
        assert!(text(&refused["detail"]).contains("lacks the scope inbox"), "{refused}");
    });
}
