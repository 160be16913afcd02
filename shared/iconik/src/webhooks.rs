//! Our webhooks at Iconik: created, compared with what they should be, deleted (sections 3.3 and 3.4).

use domain::settings::Settings;
use serde_json::{Value, json};

use crate::client::{Iconik, IconikError};

/// A webhook as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredWebhook {
    pub name: String,
    pub url: String,
    pub event_type: &'static str,
    pub realm: &'static str,
    pub operation: Option<&'static str>,
    /// The collection whose events are sent; `None` for all.
    pub object: Option<String>,
}

/// A webhook as it is at Iconik.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingWebhook {
    pub id: String,
    pub name: String,
    /// `ENABLED`, `DISABLED`, `FAILING`
    pub status: String,
    pub first_failed_at: Option<String>,
    pub last_error: Option<String>,
    /// The whole object.
    raw: Value,
}

/// The existing webhooks, compared with the desired ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookComparison {
    /// The existing webhook for each desired one, and whether it differs in more than its status.
    pub matched: Vec<Option<(ExistingWebhook, bool)>>,
    /// Ours, and not desired any more.
    pub surplus: Vec<ExistingWebhook>,
}

/// The description of our webhooks, by which they are recognised.
const DESCRIPTION: &str = "managed by the Notifications API; do not edit";
/// The path that our webhooks call.
pub const PATH: &str = "/iconik/webhook";

/// The webhooks that an application needs (section 3.3.6). A single one announces what was put into collections.
/// Several announce closed files and proxies as well, and only the collections that are watched.
pub fn desired_webhooks(settings: &Settings, endpoint: &str) -> Vec<DesiredWebhook> {
    let url = format!("{}{PATH}", endpoint.trim_end_matches('/'));
    let base = settings.webhook_name.clone();
    let contents = |name: String, object: Option<String>| DesiredWebhook {
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
    let mut all: Vec<DesiredWebhook> = if settings.iconik_collections.is_empty() {
        vec![contents(base.clone(), None)]
    } else {
        let each = settings.iconik_collections.iter();
        each.map(|it| contents(format!("{base} ({it})"), Some(it.clone()))).collect()
    };
    for realm in ["files", "proxies"] {
        let name = format!("{base} ({realm})");
        all.push(DesiredWebhook { name, url: url.clone(), event_type: "assets", realm, operation: None, object: None });
    }
    all
}

impl DesiredWebhook {
    fn body(&self, secret: &str) -> Value {
        json!({
            "name": self.name, "description": DESCRIPTION, "url": self.url,
            "event_type": self.event_type, "realm": self.realm, "operation": self.operation, "object_id": self.object,
            "headers": { "x-webhook-secret": secret }, "status": "ENABLED",
        })
    }

    /// Whether both subscribe to the same events. The case of the values does not matter (section 3.3.3).
    fn has_same_events(&self, existing: &ExistingWebhook) -> bool {
        let same = |name: &str, want: Option<&str>| {
            existing.raw[name].as_str().unwrap_or_default().eq_ignore_ascii_case(want.unwrap_or_default())
        };
        same("event_type", Some(self.event_type))
            && same("realm", Some(self.realm))
            && same("operation", self.operation)
            && same("object_id", self.object.as_deref())
    }

    fn has_same_name(&self, existing: &ExistingWebhook) -> bool {
        existing.name == self.name && existing.url() == self.url
    }
}

impl ExistingWebhook {
    fn read(webhook: &Value) -> Option<Self> {
        let text = |name: &str| webhook[name].as_str().map(str::to_owned);
        Some(Self {
            id: text("id")?,
            name: text("name").unwrap_or_default(),
            status: text("status").filter(|it| it != "DELETED")?,
            first_failed_at: text("first_failed_at"),
            last_error: text("last_error").map(|it| it.chars().take(200).collect()),
            raw: webhook.clone(),
        })
    }

    pub fn url(&self) -> &str {
        self.raw["url"].as_str().unwrap_or_default()
    }

    /// The secret that it sends.
    pub fn secret(&self) -> Option<&str> {
        let headers = self.raw["headers"].as_object()?;
        headers.iter().find(|it| it.0.eq_ignore_ascii_case("x-webhook-secret"))?.1.as_str()
    }

    /// Whether it is one of ours: its id is among `known`, or it has our description, our URL and our secret.
    fn is_ours(&self, known: &[String], url: Option<&str>, secret: &str) -> bool {
        let marked = self.raw["description"] == DESCRIPTION && Some(self.url()) == url && self.secret() == Some(secret);
        known.contains(&self.id) || marked
    }
}

/// Finds the existing webhook for each desired one: the one with the same name and URL (section 3.3.6), otherwise one
/// of ours with the same events but another name or URL. The rest of ours is surplus. Webhooks of others are never
/// surplus.
pub fn compare(
    all: Vec<ExistingWebhook>,
    wanted: &[DesiredWebhook],
    known: &[String],
    secret: &str,
) -> WebhookComparison {
    let url = wanted.first().map(|it| it.url.as_str());
    let (mut ours, mut others): (Vec<ExistingWebhook>, Vec<ExistingWebhook>) =
        all.into_iter().partition(|it| it.is_ours(known, url, secret));
    let mut found: Vec<Option<ExistingWebhook>> = wanted.iter().map(|_| None).collect();
    let rules: [fn(&DesiredWebhook, &ExistingWebhook) -> bool; 3] = [
        |want, it| want.has_same_name(it) && want.has_same_events(it),
        DesiredWebhook::has_same_name,
        DesiredWebhook::has_same_events,
    ];
    for rule in rules {
        for (place, want) in found.iter_mut().zip(wanted).filter(|it| it.0.is_none()) {
            *place = ours.iter().position(|it| rule(want, it)).map(|it| ours.remove(it));
        }
    }
    for (place, want) in found.iter_mut().zip(wanted).filter(|it| it.0.is_none()) {
        // created before its id was stored, with another secret
        *place = others.iter().position(|it| want.has_same_name(it)).map(|it| others.remove(it));
    }
    let differs = |(existing, desired): (ExistingWebhook, &DesiredWebhook)| {
        let same =
            desired.has_same_name(&existing) && desired.has_same_events(&existing) && existing.secret() == Some(secret);
        (existing, !same)
    };
    let wanted = found.into_iter().zip(wanted).map(|(it, want)| it.map(|it| differs((it, want)))).collect();
    WebhookComparison { matched: wanted, surplus: ours }
}

impl Iconik {
    /// All webhooks at Iconik, also those of others.
    pub async fn webhooks(&self) -> Result<Vec<ExistingWebhook>, IconikError> {
        let list = self.get("/API/notifications/v1/webhooks/?per_page=500").await?;
        Ok(list["objects"].as_array().into_iter().flatten().filter_map(ExistingWebhook::read).collect())
    }

    /// Creates a webhook, or replaces `existing`, and returns its id. The headers are sent each time, because a PUT
    /// replaces the whole object.
    pub async fn put_webhook(
        &self,
        want: &DesiredWebhook,
        existing: Option<&ExistingWebhook>,
        secret: &str,
    ) -> Result<String, IconikError> {
        match existing {
            None => {
                let webhook = self.post("/API/notifications/v1/webhooks/", &want.body(secret)).await?;
                Ok(webhook["id"].as_str().unwrap_or_default().to_owned())
            }
            Some(existing) => {
                self.put(&format!("/API/notifications/v1/webhooks/{}/", existing.id), &want.body(secret)).await?;
                Ok(existing.id.clone())
            }
        }
    }

    /// Deletes a webhook; it is no error if it is deleted already.
    pub async fn delete_webhook(&self, id: &str) -> Result<(), IconikError> {
        match self.delete(&format!("/API/notifications/v1/webhooks/{id}/"), None).await {
            Ok(_) | Err(IconikError::NotFound) => Ok(()),
            Err(error) => Err(error),
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
            desired_webhooks(&settings, "https://a.example/").into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names(true, &["c1", "c2"]), ["N"]);
        assert_eq!(names(false, &[]), ["N", "N (files)", "N (proxies)"]);
        assert_eq!(names(false, &["c1", "c2"]), ["N (c1)", "N (c2)", "N (files)", "N (proxies)"]);
    }

    /// A webhook at Iconik, as this one would be made.
    fn there(id: &str, want: &DesiredWebhook, secret: &str, change: impl FnOnce(&mut Value)) -> ExistingWebhook {
        let mut it = want.body(secret);
        it["id"] = id.into();
        change(&mut it);
        ExistingWebhook::read(&it).unwrap()
    }

    #[test]
    fn a_webhook_is_known_whatever_the_case_of_its_words() {
        let want = desired_webhooks(&Settings::default(), "https://a.example");
        let differs = |secret: &str, change: fn(&mut Value)| {
            let found = compare(vec![there("1", &want[0], "s", change)], &want, &[], secret);
            found.matched[0].as_ref().map(|it| it.1)
        };
        let shouted = |it: &mut Value| {
            it["realm"] = "CONTENTS".into();
            it["headers"] = json!({ "X-Webhook-Secret": "s" });
        };
        assert_eq!((differs("s", shouted), differs("other", shouted)), (Some(false), Some(true)));
        assert_eq!(differs("s", |it| it["operation"] = Value::Null), Some(true));
    }

    #[test]
    fn what_is_ours_and_wanted_no_more_is_surplus_and_nothing_else_is() {
        let named = |name: &str, single: bool| Settings {
            webhook_name: name.into(),
            single_webhook: single,
            ..Settings::default()
        };
        let before = desired_webhooks(&named("Old", false), "https://a.example");
        let mut all: Vec<ExistingWebhook> =
            ["1", "2", "3"].iter().zip(&before).map(|(id, it)| there(id, it, "s", |_| {})).collect();
        // a colleague's to the same address, another deployment's with the same secret, another application's
        all.push(there("by hand", &before[0], "s", |it| it["description"] = Value::Null));
        all.push(there("staging", &before[0], "s", |it| it["url"] = "https://b.example/iconik/webhook".into()));
        all.push(there("other", &before[0], "another", |_| {}));
        let after = desired_webhooks(&named("New", true), "https://a.example");
        let found = compare(all.clone(), &after, &[], "s");
        let kept = found.matched[0].as_ref().map(|it| (it.0.id.as_str(), it.1));
        assert_eq!(kept, Some(("1", true)), "the one that tells of the same gets the new name");
        let surplus = |it: &WebhookComparison| it.surplus.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
        assert_eq!(surplus(&found), ["2", "3"]);
        // another endpoint, and another secret: by what is remembered
        let known = ["1", "2", "3"].map(str::to_owned);
        let moved = desired_webhooks(&named("Old", false), "https://c.example");
        let found = compare(all.clone(), &moved, &known, "t");
        let kept: Vec<_> = found.matched.iter().flatten().map(|it| (it.0.id.as_str(), it.1)).collect();
        assert_eq!((kept, surplus(&found)), (vec![("1", true), ("2", true), ("3", true)], Vec::new()));
        assert_eq!(surplus(&compare(all, &[], &known, "s")), ["1", "2", "3"], "nothing is wanted any more");
    }
}
