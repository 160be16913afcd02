//! Our webhooks at Iconik: made, kept as they should be, watched (sections 3.3 and 3.4).

use domain::settings::Settings;
use serde_json::{Value, json};

use crate::{Iconik, IconikError};

/// A webhook as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub url: String,
    pub event_type: &'static str,
    pub realm: &'static str,
    pub operation: Option<&'static str>,
    /// One collection alone.
    pub object: Option<String>,
}

/// A webhook as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    pub id: String,
    pub name: String,
    pub url: String,
    /// `ENABLED`, `DISABLED`, `FAILING`, `DELETED`
    pub status: String,
    pub first_failed_at: Option<String>,
    pub last_error: Option<String>,
    /// Whether it differs from what it should be in more than its status.
    pub differs: bool,
}

/// Where our webhooks point to.
pub const PATH: &str = "/iconik/webhook";

/// The webhooks that an application needs (section 3.3.6). A single one tells of what was put into collections; several
/// tell of closed files and proxies as well, and of each watched collection alone.
pub fn wanted(settings: &Settings, endpoint: &str) -> Vec<Wanted> {
    let url = format!("{}{PATH}", endpoint.trim_end_matches('/'));
    let base = settings.webhook_name.clone();
    let contents = |name: String, object: Option<String>| Wanted {
        name,
        url: url.clone(),
        event_type: "collections",
        realm: "contents",
        operation: Some("create"),
        object,
    };
    if settings.single_webhook {
        return vec![contents(base, None)];
    }
    let mut all: Vec<Wanted> = if settings.iconik_collections.is_empty() {
        vec![contents(base.clone(), None)]
    } else {
        let each = settings.iconik_collections.iter();
        each.map(|it| contents(format!("{base} ({it})"), Some(it.clone()))).collect()
    };
    for realm in ["files", "proxies"] {
        let name = format!("{base} ({realm})");
        all.push(Wanted { name, url: url.clone(), event_type: "assets", realm, operation: None, object: None });
    }
    all
}

impl Wanted {
    fn body(&self, secret: &str) -> Value {
        json!({
            "name": self.name, "description": "managed by the Notifications API; do not edit", "url": self.url,
            "event_type": self.event_type, "realm": self.realm, "operation": self.operation, "object_id": self.object,
            "headers": { "x-webhook-secret": secret }, "status": "ENABLED",
        })
    }

    fn is(&self, it: &Value, secret: &str) -> bool {
        let same = |name: &str, want: Option<&str>| {
            it[name].as_str().unwrap_or_default().eq_ignore_ascii_case(want.unwrap_or_default())
        };
        let headers = it["headers"].as_object();
        let header = headers.and_then(|it| it.iter().find(|it| it.0.eq_ignore_ascii_case("x-webhook-secret")));
        same("event_type", Some(self.event_type))
            && same("realm", Some(self.realm))
            && same("operation", self.operation)
            && same("object_id", self.object.as_deref())
            && header.is_some_and(|it| it.1.as_str() == Some(secret))
    }
}

impl Iconik {
    /// Our webhooks that are there, beside those that should be: found by name and address.
    pub async fn webhooks(&self, wanted: &[Wanted], secret: &str) -> Result<Vec<Option<There>>, IconikError> {
        let list = self.get("/API/notifications/v1/webhooks/?per_page=500").await?;
        let all = list["objects"].as_array().cloned().unwrap_or_default();
        let text = |it: &Value, name: &str| it[name].as_str().map(str::to_owned);
        let find = |want: &Wanted| {
            let mut ours = all
                .iter()
                .filter(|it| it["name"].as_str() == Some(&want.name) && it["url"].as_str() == Some(&want.url));
            let it = ours.find(|it| it["status"].as_str() != Some("DELETED"))?;
            Some(There {
                id: text(it, "id")?,
                name: want.name.clone(),
                url: want.url.clone(),
                status: text(it, "status").unwrap_or_default(),
                first_failed_at: text(it, "first_failed_at"),
                last_error: text(it, "last_error").map(|it| it.chars().take(200).collect()),
                differs: !want.is(it, secret),
            })
        };
        Ok(wanted.iter().map(find).collect())
    }

    /// Makes a webhook, or replaces one that is not as it should be. `headers` go along each time: a PUT replaces all.
    pub async fn put_webhook(&self, want: &Wanted, there: Option<&There>, secret: &str) -> Result<(), IconikError> {
        match there {
            None => self.post("/API/notifications/v1/webhooks/", &want.body(secret)).await.map(drop),
            Some(it) => {
                self.put(&format!("/API/notifications/v1/webhooks/{}/", it.id), &want.body(secret)).await.map(drop)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_webhook_or_one_per_collection_and_kind() {
        let names = |single: bool, collections: &[&str]| -> Vec<String> {
            let iconik_collections = collections.iter().map(|it| (*it).to_owned()).collect();
            let settings = Settings {
                single_webhook: single,
                webhook_name: "N".into(),
                iconik_collections,
                ..Settings::default()
            };
            wanted(&settings, "https://a.example/").into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names(true, &["c1", "c2"]), ["N"]);
        assert_eq!(names(false, &[]), ["N", "N (files)", "N (proxies)"]);
        assert_eq!(names(false, &["c1", "c2"]), ["N (c1)", "N (c2)", "N (files)", "N (proxies)"]);
    }

    #[test]
    fn a_webhook_is_known_whatever_the_case_of_its_words() {
        let want = wanted(&Settings::default(), "https://a.example").remove(0);
        let mut there = want.body("s");
        there["realm"] = "CONTENTS".into();
        there["headers"] = json!({ "X-Webhook-Secret": "s" });
        assert!(want.is(&there, "s") && !want.is(&there, "other"));
        there["operation"] = Value::Null;
        assert!(!want.is(&there, "s"));
    }
}
