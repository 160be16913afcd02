//! An Iconik of a test's own: the stand-in, on a port of its own, and an application that is set up for it.

use local::iconik::{APP_ID, DOMAIN_ID, IconikEmulator, METADATA_VIEW_ID};
use serde_json::{Value, json};

use crate::{World, text};

/// A running Iconik. It goes on until the tests end: orders that a test leaves behind are carried out.
pub struct Manager {
    pub iconik: IconikEmulator,
    pub secret: String,
}

impl World<'_> {
    /// Starts an Iconik and points the test's application to it; `more` are settings beside the usual ones.
    pub async fn iconik(&self, more: Value) -> Manager {
        let data = self.stack.data().join("managers").join(&self.keys.application_id);
        std::fs::create_dir_all(&data).expect("a folder");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (iconik, _) = IconikEmulator::start(listener, &data, &data.join("library")).expect("Iconik starts");
        let secret = format!("secret-of-{}", self.keys.application_id);
        let manager = Manager { iconik, secret };
        self.set_up(&manager, more).await;
        self.until("the webhooks are there", async || {
            let there = manager.iconik.objects("webhook");
            (!there.is_empty() && there.iter().all(|it| it["status"] == "ENABLED")).then_some(())
        })
        .await;
        self.until("the connection is well", async || {
            (self.get("/api/v1/Media/Iconik").await["user"].is_string()).then_some(())
        })
        .await;
        manager
    }

    /// The application's settings for an Iconik.
    pub async fn set_up(&self, manager: &Manager, more: Value) {
        let mut body = json!({
            "system": ["iconik"], "system_endpoint": self.stack.url, "iconik_url": manager.iconik.url(), "iconik_app_id": APP_ID,
            "iconik_access_token": manager.iconik.token(), "iconik_domain_id": DOMAIN_ID, "iconik_metadata_view": METADATA_VIEW_ID,
            "iconik_webhook_secret": manager.secret, "iconik_requests_per_second": 50,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let (status, answer) = self.ask("PUT", "/api/v1/Media/Settings", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Checks the connection now.
    pub async fn check_iconik(&self) {
        let (status, answer) = self.ask("POST", "/api/v1/Media/Iconik/check", None).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// The items of assets, once `count` of them have come to an end.
    pub async fn assets_ended(&self, count: usize) -> Vec<Value> {
        crate::until(&format!("{count} assets end"), async || {
            let items = self.items("system=iconik").await;
            let open = |it: &Value| matches!(it["status"].as_str(), Some("Pending" | "Processing"));
            (items.len() == count && !items.iter().any(open)).then_some(items)
        })
        .await
    }

    /// Posts to one of the routes that Iconik calls.
    pub async fn post_iconik(&self, path: &str, secret: Option<&str>, body: &str) -> (u16, Value) {
        let mut request = self.http.post(format!("{}{path}", self.stack.url)).body(body.to_owned());
        if let Some(secret) = secret {
            request = request.header("x-webhook-secret", secret);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default())
    }
}

impl Manager {
    /// What the stand-in has of a kind for an asset.
    pub fn of(&self, kind: &str, asset: &str) -> Vec<Value> {
        let about = |it: &Value| [&it["asset_id"], &it["object_id"]].iter().any(|it| text(it) == asset);
        self.iconik.objects(kind).into_iter().filter(about).collect()
    }
}
