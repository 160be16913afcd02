//! Where a test's functions run: the local stack, or another emulator of AWS (`WORLD=ministack`, `.ci/ministack.py`).

use std::ops::Deref;
use std::path::PathBuf;

use local::Stack;
use local::demo::{ApplicationKeys, create_application_at};
use serde::Deserialize;

use crate::project;

/// What every place has. A test that asks for more controls the local stack, and runs nowhere else.
pub struct Place<'a> {
    /// The root of the API, on a host that it shares with the sockets.
    pub url: String,
    /// The key that creates applications.
    pub operator_key: String,
    local: Option<&'a Stack>,
}

/// What `.ci/ministack.py` says of its deployment.
#[derive(Deserialize)]
struct Deployment {
    url: String,
    operator_key: String,
}

impl<'a> Place<'a> {
    /// The local stack as a place. It is kept until the tests end.
    pub fn of(stack: &'a Stack) -> &'a Self {
        let (url, operator_key) = (stack.url.clone(), stack.operator_key.clone());
        Box::leak(Box::new(Self { url, operator_key, local: Some(stack) }))
    }

    /// The deployment on another emulator, if the tests are to run there.
    pub(crate) fn elsewhere() -> Option<&'static Place<'static>> {
        if world().as_deref() != Some("ministack") {
            return None;
        }
        let file = project().join("target/tmp/ministack.json");
        let text = std::fs::read(&file).expect("`.ci/ministack.py` says where its deployment is");
        let Deployment { url, operator_key } = serde_json::from_slice(&text).expect("its addresses");
        let place: &'static Place<'static> = Box::leak(Box::new(Place { url, operator_key, local: None }));
        Some(place)
    }

    /// The local stack, if it is that.
    pub(crate) fn local(&self) -> Option<&'a Stack> {
        self.local
    }

    /// Where `notify` looks for the local stack; elsewhere it finds none.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.local.map_or_else(|| project().join("target/tmp/no-stack"), |it| it.data().to_owned())
    }

    /// Makes an application for a test.
    pub(crate) async fn application(&self) -> ApplicationKeys {
        let made = create_application_at(&self.url, &self.operator_key, "test", true).await;
        made.expect("an application is made")
    }
}

impl Deref for Place<'_> {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        self.local.expect("the local stack, which this test controls: it runs nowhere else")
    }
}

#[expect(clippy::disallowed_methods, reason = "where tests run comes from outside")]
fn world() -> Option<String> {
    std::env::var("WORLD").ok()
}
