//! The demo application: made at the first start, found again at every other, written to `stack.json`. What its user
//! changed stays; a start changes only the addresses that it changed itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::iconik::{APP_ID, DOMAIN, VIEW};
use crate::stack::write_private;
use crate::{Stack, StackError, aws_json};

/// What `stack.json` holds. It has secrets in it, so only its owner may read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demo {
    pub url: String,
    pub websocket_url: String,
    pub sqs_url: String,
    pub dynamodb_url: String,
    pub s3_url: String,
    pub application_id: String,
    pub api_key: String,
    pub api_secret: String,
    pub jwt_private_key: String,
    pub token: String,
    pub operator_key: String,
    pub buckets: Vec<DemoBucket>,
    #[serde(default)]
    pub iconik: DemoIconik,
}

/// The stand-in for Iconik, as the demo application has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DemoIconik {
    pub url: String,
    pub app_id: String,
    pub token: String,
    /// What is dropped here is uploaded.
    pub folder: PathBuf,
}

/// A bucket of the demo application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoBucket {
    pub name: String,
    pub id: String,
    pub folder: PathBuf,
}

/// The keys of an application, as they are given out once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    pub application_id: String,
    pub api_key: String,
    pub api_secret: String,
    pub jwt_private_key: String,
}

/// The demo buckets' names, with their systems.
pub const BUCKETS: [(&str, &str); 2] = [("datacore-demo", "datacore"), ("objectmatrix-demo", "objectmatrix")];

/// Where a stack's addresses and the demo application's keys are kept, in its data.
pub fn file(data: &Path) -> PathBuf {
    data.join("stack.json")
}

/// Writes a `stack.json`, for its owner alone.
pub fn write(data: &Path, demo: &Demo) -> Result<(), StackError> {
    let path = file(data);
    let json = serde_json::to_vec_pretty(demo).unwrap_or_default();
    write_private(&path, &json).map_err(|it| StackError::Unwritable { path, source: it.into() })
}

/// Reads a `stack.json`.
pub fn read(data: &Path) -> Result<Demo, StackError> {
    let path = file(data);
    let text = std::fs::read(&path).map_err(|source| StackError::Unreadable { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|it| StackError::Corrupt { path, source: it.into() })
}

/// Makes the demo application if it is not there, and writes `stack.json`.
pub async fn set_up(stack: &Stack) -> Result<Demo, StackError> {
    let http = Http { client: aws_json::client()?, url: &stack.url, data: stack.data() };
    let before = read(stack.data()).ok();
    let keys = match &before {
        Some(it) => Keys {
            application_id: it.application_id.clone(),
            api_key: it.api_key.clone(),
            api_secret: it.api_secret.clone(),
            jwt_private_key: it.jwt_private_key.clone(),
        },
        None => made(stack, json!({ "name": "demo", "facialRecognition": true, "openInbox": true })).await?,
    };
    let mut buckets = Vec::new();
    for (name, system) in BUCKETS {
        buckets.push(bucket(stack, &http, &keys, name, system, before.as_ref()).await?);
    }
    let iconik = iconik(stack, &http, &keys, before.as_ref()).await?;
    let ask =
        json!({ "applicationId": format!("urn:uuid:{}", keys.application_id), "jwtPrivateKey": keys.jwt_private_key });
    let token = http.send("POST", "/api/v1/Authorization/GenerateJwtToken", None, &ask).await?;
    let demo = Demo {
        url: stack.url.clone(),
        websocket_url: stack.url.replacen("http", "ws", 1),
        sqs_url: stack.sqs_url.clone(),
        dynamodb_url: stack.dynamodb_url.clone(),
        s3_url: stack.s3_url.clone(),
        application_id: keys.application_id,
        api_key: keys.api_key,
        api_secret: keys.api_secret,
        jwt_private_key: keys.jwt_private_key,
        token: text(&token, "accessToken"),
        operator_key: stack.operator_key.clone(),
        buckets,
        iconik,
    };
    write(stack.data(), &demo)?;
    Ok(demo)
}

async fn bucket(
    stack: &Stack,
    http: &Http<'_>,
    keys: &Keys,
    name: &str,
    system: &str,
    before: Option<&Demo>,
) -> Result<DemoBucket, StackError> {
    let folder = stack.bucket_folder(name);
    std::fs::create_dir_all(&folder)
        .map_err(|it| StackError::Unwritable { path: folder.clone(), source: it.into() })?;
    let credentials = json!({ "accessKey": "test", "secretKey": "test" });
    let known = before.and_then(|demo| Some((demo, demo.buckets.iter().find(|it| it.name == name)?)));
    let Some((demo, known)) = known else {
        let body = json!({
            "system": system, "endpoint": stack.s3_url, "bucket": name, "schedule": "rate(1 minute)", "active": true,
            "processor": "FacialRecognition", "credentials": credentials,
        });
        let id = text(&http.send("POST", "/api/v1/Media/Buckets", Some(keys), &body).await?, "id");
        return Ok(DemoBucket { name: name.to_owned(), id, folder });
    };
    // one that was removed stays so: it is in no list
    let all = http.get("/api/v1/Media/Buckets", keys).await?;
    let there = all["items"].as_array().into_iter().flatten().find(|it| it["id"] == known.id.as_str());
    if let Some(there) = there
        && demo.s3_url != stack.s3_url
        && there["endpoint"] == demo.s3_url.as_str()
    {
        let mut body = as_put(there.clone());
        body["endpoint"] = json!(stack.s3_url);
        body["credentials"] = credentials;
        http.send("PUT", &format!("/api/v1/Media/Buckets/{}", known.id), Some(keys), &body).await?;
    }
    Ok(DemoBucket { name: name.to_owned(), id: known.id.clone(), folder })
}

/// A bucket as `GET` shows it, as `PUT` takes it: without what the API says of itself.
pub fn as_put(mut bucket: Value) -> Value {
    const SHOWN: [&str; 9] = [
        "id",
        "hasCredentials",
        "createdAt",
        "updatedAt",
        "lastError",
        "lastErrorAt",
        "nextScanAfter",
        "scanning",
        "lastScan",
    ];
    if let Some(members) = bucket.as_object_mut() {
        members.retain(|name, _| !SHOWN.contains(&name.as_str()));
    }
    bucket
}

/// Points the demo application to the stand-in, as a user points one to Iconik.
async fn iconik(stack: &Stack, http: &Http<'_>, keys: &Keys, before: Option<&Demo>) -> Result<DemoIconik, StackError> {
    let it = &stack.iconik;
    let path = "/api/v1/Media/Settings";
    match before {
        None => {
            let body = json!({
                "system": ["iconik", "datacore", "objectmatrix"], "system_endpoint": stack.url, "iconik_url": it.url(),
                "iconik_app_id": APP_ID, "iconik_access_token": it.token(), "iconik_domain_id": DOMAIN,
                "iconik_metadata_view": VIEW, "processor": "FacialRecognition",
            });
            http.send("PUT", path, Some(keys), &body).await?;
        }
        Some(demo) => {
            let there = http.get(path, keys).await?;
            let mut body = there.clone();
            if there["system_endpoint"] == demo.url.as_str() {
                body["system_endpoint"] = json!(stack.url);
            }
            // what moves to another address needs its token again; a masked one stays as it is
            let (url, token) = (demo.iconik.url.as_str(), demo.iconik.token.as_str());
            if there["iconik_url"] == url && (url, token) != (it.url(), it.token()) {
                body["iconik_url"] = json!(it.url());
                body["iconik_access_token"] = json!(it.token());
            }
            if body != there {
                http.send("PUT", path, Some(keys), &body).await?;
            }
        }
    }
    let folder = stack.data().join("iconik");
    Ok(DemoIconik { url: it.url().to_owned(), app_id: APP_ID.to_owned(), token: it.token().to_owned(), folder })
}

/// Makes an application of its own.
pub async fn application(stack: &Stack, name: &str, faces: bool) -> Result<Keys, StackError> {
    made(stack, json!({ "name": name, "facialRecognition": faces })).await
}

async fn made(stack: &Stack, mut ask: Value) -> Result<Keys, StackError> {
    let client = aws_json::client()?;
    ask["requestedBy"] = "local stack".into();
    let request =
        client.post(format!("{}/api/v1/Applications", stack.url)).header("x-operator-key", &stack.operator_key);
    let answer = settle("making an application", request.json(&ask).send().await).await?;
    serde_json::from_value(answer).map_err(|it| StackError::Demo(format!("an application has no keys: {it}")))
}

struct Http<'a> {
    client: reqwest::Client,
    url: &'a str,
    data: &'a Path,
}

impl Http<'_> {
    async fn get(&self, path: &str, keys: &Keys) -> Result<Value, StackError> {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret);
        self.settle(path, request.send().await).await
    }

    async fn send(&self, method: &str, path: &str, keys: Option<&Keys>, body: &Value) -> Result<Value, StackError> {
        let method = method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = self.client.request(method, format!("{}{path}", self.url)).json(body);
        if let Some(keys) = keys {
            request = request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret);
        }
        self.settle(path, request.send().await).await
    }

    async fn settle(&self, what: &str, answer: reqwest::Result<reqwest::Response>) -> Result<Value, StackError> {
        if answer.as_ref().is_ok_and(|it| it.status() == reqwest::StatusCode::UNAUTHORIZED) {
            return Err(StackError::Demo(format!(
                "the demo's keys were replaced since; put the new ones into {}, or begin with --fresh",
                file(self.data).display()
            )));
        }
        settle(what, answer).await
    }
}

async fn settle(what: &str, answer: reqwest::Result<reqwest::Response>) -> Result<Value, StackError> {
    let failed = |it: reqwest::Error| StackError::Demo(format!("{what} failed: {it}"));
    let answer = answer.map_err(failed)?;
    let status = answer.status();
    let body = answer.text().await.map_err(failed)?;
    if !status.is_success() {
        return Err(StackError::Demo(format!("{what} was answered with {status}: {body}")));
    }
    serde_json::from_str(&body).map_err(|it| StackError::Demo(format!("{what} was answered with no JSON: {it}")))
}

fn text(it: &Value, name: &str) -> String {
    it[name].as_str().unwrap_or_default().to_owned()
}
