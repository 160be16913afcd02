//! A real headless Chromium in the console, driven by `tests/clients/console.mjs`.

use serde_json::{Value, json};
use system_tests::tools::{Talker, chromium, node};
use system_tests::{World, project, text};

/// A browser with one user's cookies, and tabs.
pub(crate) struct Browser {
    talker: Talker,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        chromium().await;
        let modules = node().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/console.mjs").to_string_lossy().into_owned();
        Self { talker: Talker::start("node", &[&script], &[("MODULES", &modules)]) }
    }

    /// Does something; answers what came of it.
    pub(crate) async fn run(&mut self, command: Value) -> Value {
        self.talker.answer(&command.to_string()).await;
        let line = self.talker.line().await.expect("the browser answers");
        let answer: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert!(answer["failed"].is_null(), "{}", answer["failed"]);
        answer["ok"].clone()
    }

    pub(crate) async fn open(&mut self, tab: &str, url: &str) {
        self.run(json!({ "do": "open", "tab": tab, "url": url })).await;
    }

    /// Waits until something is shown.
    pub(crate) async fn wait(&mut self, at: &str, text: &str) {
        self.run(json!({ "do": "wait", "at": at, "text": text })).await;
    }

    /// Waits until something is not shown any more.
    pub(crate) async fn gone(&mut self, at: &str, text: &str) {
        self.run(json!({ "do": "wait", "at": at, "text": text, "state": "detached" })).await;
    }

    pub(crate) async fn click(&mut self, at: &str, text: &str) {
        self.run(json!({ "do": "click", "at": at, "text": text })).await;
    }

    pub(crate) async fn count(&mut self, at: &str) -> u64 {
        self.run(json!({ "do": "count", "at": at })).await.as_u64().expect("a number")
    }
}

/// A link that signs in to the console once, as the world's application.
pub(crate) async fn link(world: &World<'_>) -> String {
    let (status, made) = world.ask("POST", "/console/codes", None).await;
    assert_eq!(status, 201, "{made}");
    format!("{}/console#sign-in={}", world.stack.url, text(&made["code"]))
}
