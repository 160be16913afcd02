//! The description of the API and the guide: whole, true, and shown without anybody's help.

mod commands;
mod diagram;

use serde_json::{Value, json};
use system_tests::{World, project, text};

#[test]
fn every_route_is_described_and_the_viewer_is_our_own() {
    World::run(async |world| {
        let api = world.get("/docs/openapi.json").await;
        assert_eq!(api["openapi"].as_str().map(|it| &it[..3]), Some("3.1"));
        let mut routes = Vec::new();
        for (path, methods) in api["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(
                    operation["summary"].is_string() || operation["description"].is_string(),
                    "{method} {path} says what it does"
                );
                routes.push((method.to_uppercase(), path.clone()));
            }
        }
        assert_eq!(routes.len(), 167, "{routes:?}");
        // each described route is there: none answers as an unknown route or method would
        for (method, path) in routes {
            let path = path
                .replace("{id}", "itm_00000000000000000000000000000001")
                .replace("{user}", "u")
                .replace("{key}", "AbCdEfGhIj")
                .replace("{group}", "g")
                .replace("{type}", "t")
                .replace("{action}", "process")
                .replace("{objectId}", "o1")
                .replace("{folderId}", "f1")
                .replace("{subscriptionId}", "s1")
                .replace("{kind}", "webhook")
                .replace("{processor}", "ObjectDetection");
            let (status, body) = world.ask(&method, &path, None).await;
            assert!(
                status != 405 && !body.to_string().contains("no-such-route") && body["message"] != "Not Found",
                "{method} {path}: {status}"
            );
        }
        let page = world.http.get(format!("{}/docs/index.html", world.stack.url)).send().await.unwrap();
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let page = page.text().await.unwrap();
        assert!(page.contains("swagger-ui-bundle.js") && !page.contains("https://"), "nothing comes from elsewhere");
        let script = world.http.get(format!("{}/docs/swagger-ui-bundle.js", world.stack.url)).send().await.unwrap();
        assert!(script.status() == 200 && script.bytes().await.unwrap().len() > 500_000);
        let start = world
            .http
            .get(format!("{}/docs/swagger-initializer.js", world.stack.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(start.contains("/docs/openapi.json"));
        let redirect = world.http.get(format!("{}/docs", world.stack.url)).send().await.unwrap();
        assert_eq!(redirect.headers()["location"], "/docs/index.html");
    });
}

/// Follows each reference of a document.
fn references(root: &Value, it: &Value) {
    match it {
        Value::Object(members) => {
            if let Some(path) = members.get("$ref").and_then(Value::as_str) {
                assert!(root.pointer(path.trim_start_matches('#')).is_some(), "{path} leads nowhere");
            }
            members.values().for_each(|it| references(root, it));
        }
        Value::Array(all) => all.iter().for_each(|it| references(root, it)),
        _ => {}
    }
}

#[test]
fn the_sockets_description_names_every_message_that_comes() {
    World::run(async |world| {
        let api = world.get("/docs/asyncapi.json").await;
        assert_eq!(api["asyncapi"], "3.0.0");
        references(&api, &api);
        let messages = &api["components"]["messages"];
        let mut socket = world.listen("jane", None).await;
        for said in [
            json!({ "action": "ping" }),
            json!({ "action": "dance" }),
            json!({ "action": "resume", "after": [] }),
            json!({ "action": "mark", "change": "read", "upTo": world.send("jane", "described").await["cursor"] }),
        ] {
            socket.say(&said).await;
        }
        let mut wanted: std::collections::BTreeSet<&str> =
            ["pong", "error", "resumed", "notifications", "done", "marks"].into();
        while !wanted.is_empty() {
            let it = socket.next().await.unwrap();
            let kind = text(&it["type"]);
            let payload = &messages[&kind]["payload"];
            for member in payload["required"].as_array().unwrap() {
                assert!(it.get(text(member)).is_some(), "{kind} has {member}: {it}");
            }
            for member in it.as_object().unwrap().keys() {
                assert!(payload["properties"].get(member).is_some(), "{kind}: {member} is described");
            }
            wanted.remove(kind.as_str());
        }
    });
}

/// The paths below `shared`, `functions` and `tests` that a text names.
fn paths(text: &str) -> Vec<&str> {
    let of_a_path = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
    let words = text.split(|it: char| !of_a_path(it)).map(|it| it.trim_end_matches('.'));
    words.filter(|it| ["shared/", "functions/", "tests/"].iter().any(|top| it.starts_with(top))).collect()
}

#[test]
fn the_readme_and_the_guide_name_files_that_are_there() {
    for (name, source) in pages() {
        for path in paths(&source) {
            assert!(project().join(path).exists(), "{name} names {path}, which is not there");
        }
    }
}

/// The README, then the pages of the guide by their names: path and text.
fn pages() -> Vec<(String, String)> {
    let files = std::fs::read_dir(project().join("shared/docs")).unwrap().flatten();
    let mut names: Vec<String> =
        files.map(|file| format!("shared/docs/{}", file.file_name().to_str().unwrap())).collect();
    names.sort_unstable();
    names.insert(0, "README.md".to_owned());
    let read = |name: String| {
        let text = std::fs::read_to_string(project().join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn the_guide_is_served_and_its_pages_link_to_each_other() {
    World::run(async |world| {
        let get =
            async |path: &str| world.http.get(format!("{}/docs/guide{path}", world.stack.url)).send().await.unwrap();
        let list = get("").await;
        assert_eq!(list.status(), 200);
        let list = list.text().await.unwrap();
        for (file, source) in &pages()[1..] {
            let name = file.strip_prefix("shared/docs/").and_then(|it| it.strip_suffix(".md"));
            let name = name.expect("a page is Markdown");
            let answer = get(&format!("/{name}")).await;
            assert_eq!(answer.status(), 200, "{name} is among the pages of docs-api");
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
            let policy = answer.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline';"), "{policy}");
            let (page, title) = (answer.text().await.unwrap(), source.lines().next().unwrap().trim_start_matches("# "));
            assert!(page.contains(&format!(">{title}</h1>")) && !page.contains("<script"), "{page}");
            assert!(list.contains(&format!("<a href=\"/docs/guide/{name}\">{title}</a>")), "{list}");
            // each link of the served page leads somewhere: to a page that is served, to a heading, or to another site
            for link in page.split("href=\"").skip(1).map(|it| it.split('"').next().unwrap()) {
                if link.starts_with("https://") {
                    continue;
                }
                let (path, anchor) = link.split_once('#').map_or((link, None), |(path, id)| (path, Some(id)));
                let target = match path.strip_prefix("/docs/guide") {
                    Some(path) => {
                        let answer = get(path).await;
                        assert_eq!(answer.status(), 200, "{name} links to {link}");
                        answer.text().await.unwrap()
                    }
                    None if path.is_empty() => page.clone(),
                    None => panic!("{name} links to {link}, which is not served"),
                };
                let there = anchor.is_none_or(|id| target.contains(&format!(" id=\"{id}\"")));
                assert!(there, "{name} links to {link}, and there is no such heading");
            }
        }
        let security = get("/security").await.text().await.unwrap();
        let heading = "<h2 id=\"how-to-report-a-vulnerability\">How to report a vulnerability</h2>";
        assert!(security.contains(heading) && security.contains("<table>"));
        let missing = get("/nothing").await;
        assert_eq!(
            (missing.status().as_u16(), missing.headers()["content-type"].to_str().unwrap()),
            (404, "application/problem+json")
        );
        let missing: Value = missing.json().await.unwrap();
        assert_eq!(missing["type"], "about:blank#no-such-page");
        assert_eq!(get("/security/more").await.status(), 404);
    });
}
