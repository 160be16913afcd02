//! The description of the API: whole, and shown without anybody's help.

use system_tests::World;

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
        assert_eq!(routes.len(), 37, "{routes:?}");
        // each described route is there: none answers as an unknown route or method would
        for (method, path) in routes {
            let path = path
                .replace("{id}", "itm_00000000000000000000000000000001")
                .replace("{user}", "u")
                .replace("{action}", "process");
            let (status, body) = world.ask(&method, &path, None).await;
            assert!(
                status != 405 && !body.to_string().contains("no-such-route") && body["message"] != "Not Found",
                "{method} {path}: {status}"
            );
        }
        let page =
            world.http.get(format!("{}/docs/index.html", world.stack.url)).send().await.unwrap().text().await.unwrap();
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
