//! The demo application. The first start creates it; later ones find it in `stack.json`. A start keeps what the user
//! has changed. It updates only those addresses that an earlier start has set.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws_json;
use crate::error::StackError;
use crate::iconik::{APP_ID, DOMAIN_ID, METADATA_VIEW_ID};
use crate::private_file::write_private;
use crate::processors::{EXAMPLES, Worker, new_secret};
use crate::stack::Stack;

/// The content of `stack.json`. It contains secrets, so only its owner may read it.
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
    #[serde(default)]
    pub stripe: DemoStripe,
    /// The worked examples of processors, as they are registered for the demo application.
    #[serde(default)]
    pub processors: Vec<DemoProcessor>,
}

/// A worked example of a processor, as the demo application has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoProcessor {
    /// The processor that it runs.
    pub name: String,
    pub url: String,
    pub secret: String,
    /// What is missing, if it is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// The Iconik emulator, as the demo application is connected to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DemoIconik {
    pub url: String,
    pub app_id: String,
    pub token: String,
    /// Files that are dropped here are uploaded.
    pub folder: PathBuf,
}

/// The Stripe emulator, and the keys that belong to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DemoStripe {
    pub url: String,
    pub secret_key: String,
    /// The key of browsers: it makes tokens and payment methods.
    pub publishable_key: String,
    pub webhook_secret: String,
}

/// A bucket of the demo application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoBucket {
    pub name: String,
    pub id: String,
    pub folder: PathBuf,
}

/// The keys of an application, as the API returns them once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationKeys {
    pub application_id: String,
    pub api_key: String,
    pub api_secret: String,
    pub jwt_private_key: String,
}

/// The demo buckets' names, with their systems.
pub const BUCKETS: [(&str, &str); 2] = [("datacore-demo", "datacore"), ("objectmatrix-demo", "objectmatrix")];

/// The path of `stack.json` in a data folder.
pub fn stack_file(data: &Path) -> PathBuf {
    data.join("stack.json")
}

/// Writes a `stack.json` that only its owner may read.
pub fn write_stack_file(data: &Path, demo: &Demo) -> Result<(), StackError> {
    let path = stack_file(data);
    let json = serde_json::to_vec_pretty(demo).unwrap_or_default();
    write_private(&path, &json).map_err(|it| StackError::Unwritable { path, source: it.into() })
}

/// Reads a `stack.json`.
pub fn read_stack_file(data: &Path) -> Result<Demo, StackError> {
    let path = stack_file(data);
    let text = std::fs::read(&path).map_err(|source| StackError::Unreadable { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|it| StackError::Corrupt { path, source: it.into() })
}

/// Creates or updates the demo application, its buckets and its settings, and writes `stack.json`.
pub async fn set_up(stack: &Stack) -> Result<Demo, StackError> {
    let api = ApiClient { client: aws_json::http_client()?, url: &stack.url, data: stack.data() };
    let previous = read_stack_file(stack.data()).ok();
    let keys = match &previous {
        Some(demo) => ApplicationKeys {
            application_id: demo.application_id.clone(),
            api_key: demo.api_key.clone(),
            api_secret: demo.api_secret.clone(),
            jwt_private_key: demo.jwt_private_key.clone(),
        },
        None => {
            let body = json!({ "name": "demo", "facialRecognition": true, "openInbox": true });
            post_application(&stack.url, &stack.operator_key, body).await?
        }
    };
    let mut buckets = Vec::new();
    for (name, system) in BUCKETS {
        buckets.push(set_up_bucket(stack, &api, &keys, name, system, previous.as_ref()).await?);
    }
    let iconik = set_up_iconik(stack, &api, &keys, previous.as_ref()).await?;
    let body =
        json!({ "applicationId": format!("urn:uuid:{}", keys.application_id), "jwtPrivateKey": keys.jwt_private_key });
    let token = api.send("POST", "/api/v1/Authorization/GenerateJwtToken", None, &body).await?;
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
        token: string_member(&token, "accessToken"),
        operator_key: stack.operator_key.clone(),
        buckets,
        iconik,
        stripe: DemoStripe {
            url: stack.stripe.url().to_owned(),
            secret_key: stack.stripe.secret_key().to_owned(),
            publishable_key: stack.stripe.publishable_key(),
            webhook_secret: stack.stripe.webhook_secret().to_owned(),
        },
        processors: previous.map(|it| it.processors).unwrap_or_default(),
    };
    write_stack_file(stack.data(), &demo)?;
    Ok(demo)
}

/// Starts the worked examples of processors, and registers them for the demo application. One that the user has replaced or
/// removed since stays so.
pub async fn set_up_processors(stack: &Stack, project: &Path, demo: &mut Demo) -> Result<Vec<Worker>, StackError> {
    let api = ApiClient { client: aws_json::http_client()?, url: &stack.url, data: stack.data() };
    let keys = ApplicationKeys {
        application_id: demo.application_id.clone(),
        api_key: demo.api_key.clone(),
        api_secret: demo.api_secret.clone(),
        jwt_private_key: demo.jwt_private_key.clone(),
    };
    let list = api.get("/api/v1/Media/Processors", &keys).await?;
    let (mut workers, mut processors) = (Vec::new(), Vec::new());
    for example in &EXAMPLES {
        let previous = demo.processors.iter().find(|it| it.name == example.processor);
        let secret = previous.map_or_else(new_secret, |it| it.secret.clone());
        let worker = Worker::start(example, &example.folder(project), &secret).await?;
        let stored = list["items"].as_array().into_iter().flatten().find(|it| it["processor"] == example.processor);
        let is_ours = match (previous, stored) {
            (None, stored) => stored.is_none(),
            (Some(previous), Some(stored)) => {
                stored["endpoint"].as_str().map(|it| it.trim_end_matches('/')) == Some(previous.url.as_str())
            }
            (Some(_), None) => false,
        };
        if is_ours {
            let mut body = json!({ "endpoint": worker.url, "secret": secret });
            if let Some(stored) = stored {
                (body["params"], body["deadlineSeconds"]) =
                    (stored["params"].clone(), stored["deadlineSeconds"].clone());
            }
            api.send("PUT", &format!("/api/v1/Media/Processors/{}", example.processor), Some(&keys), &body).await?;
        }
        processors.push(DemoProcessor {
            name: example.processor.to_owned(),
            url: worker.url.clone(),
            secret,
            missing: worker.missing.clone(),
        });
        workers.push(worker);
    }
    demo.processors = processors;
    write_stack_file(stack.data(), demo)?;
    Ok(workers)
}

async fn set_up_bucket(
    stack: &Stack,
    api: &ApiClient<'_>,
    keys: &ApplicationKeys,
    name: &str,
    system: &str,
    previous: Option<&Demo>,
) -> Result<DemoBucket, StackError> {
    let folder = stack.bucket_folder(name);
    std::fs::create_dir_all(&folder)
        .map_err(|it| StackError::Unwritable { path: folder.clone(), source: it.into() })?;
    let credentials = json!({ "accessKey": "test", "secretKey": "test" });
    let previous = previous.and_then(|demo| Some((demo, demo.buckets.iter().find(|it| it.name == name)?)));
    let Some((demo, known)) = previous else {
        let body = json!({
            "system": system, "endpoint": stack.s3_url, "bucket": name, "schedule": "rate(1 minute)", "active": true,
            "processor": "FacialRecognition", "credentials": credentials,
        });
        let id = string_member(&api.send("POST", "/api/v1/Media/Buckets", Some(keys), &body).await?, "id");
        return Ok(DemoBucket { name: name.to_owned(), id, folder });
    };
    // a bucket that the user removed is in no list, and stays removed
    let list = api.get("/api/v1/Media/Buckets", keys).await?;
    let stored = list["items"].as_array().into_iter().flatten().find(|it| it["id"] == known.id.as_str());
    if let Some(there) = stored
        && demo.s3_url != stack.s3_url
        && there["endpoint"] == demo.s3_url.as_str()
    {
        let mut body = as_put_body(there.clone());
        body["endpoint"] = json!(stack.s3_url);
        body["credentials"] = credentials;
        api.send("PUT", &format!("/api/v1/Media/Buckets/{}", known.id), Some(keys), &body).await?;
    }
    Ok(DemoBucket { name: name.to_owned(), id: known.id.clone(), folder })
}

/// The body of a `PUT` from that of a `GET`: a bucket without its read-only members.
pub fn as_put_body(mut bucket: Value) -> Value {
    const READ_ONLY: [&str; 9] = [
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
        members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
    }
    bucket
}

/// Connects the demo application to the Iconik emulator, as a user connects one to Iconik.
async fn set_up_iconik(
    stack: &Stack,
    api: &ApiClient<'_>,
    keys: &ApplicationKeys,
    previous: Option<&Demo>,
) -> Result<DemoIconik, StackError> {
    let iconik = &stack.iconik;
    let path = "/api/v1/Media/Settings";
    match previous {
        None => {
            let body = json!({
                "system": ["iconik", "datacore", "objectmatrix"], "system_endpoint": stack.url, "iconik_url": iconik.url(),
                "iconik_app_id": APP_ID, "iconik_access_token": iconik.token(), "iconik_domain_id": DOMAIN_ID,
                "iconik_metadata_view": METADATA_VIEW_ID, "processor": "FacialRecognition",
            });
            api.send("PUT", path, Some(keys), &body).await?;
        }
        Some(demo) => {
            let stored = api.get(path, keys).await?;
            let mut body = stored.clone();
            if stored["system_endpoint"] == demo.url.as_str() {
                body["system_endpoint"] = json!(stack.url);
            }
            // a new address needs the token again; a masked token would stay as it is
            let (url, token) = (demo.iconik.url.as_str(), demo.iconik.token.as_str());
            if stored["iconik_url"] == url && (url, token) != (iconik.url(), iconik.token()) {
                body["iconik_url"] = json!(iconik.url());
                body["iconik_access_token"] = json!(iconik.token());
            }
            if body != stored {
                api.send("PUT", path, Some(keys), &body).await?;
            }
        }
    }
    let folder = stack.data().join("iconik");
    Ok(DemoIconik { url: iconik.url().to_owned(), app_id: APP_ID.to_owned(), token: iconik.token().to_owned(), folder })
}

/// Creates an application beside the demo application.
pub async fn create_application(stack: &Stack, name: &str, faces: bool) -> Result<ApplicationKeys, StackError> {
    create_application_at(&stack.url, &stack.operator_key, name, faces).await
}

/// Creates an application at an API.
pub async fn create_application_at(
    url: &str,
    operator_key: &str,
    name: &str,
    faces: bool,
) -> Result<ApplicationKeys, StackError> {
    post_application(url, operator_key, json!({ "name": name, "facialRecognition": faces })).await
}

async fn post_application(url: &str, operator_key: &str, mut body: Value) -> Result<ApplicationKeys, StackError> {
    let client = aws_json::http_client()?;
    body["requestedBy"] = "local stack".into();
    let request = client.post(format!("{url}/api/v1/Applications")).header("x-operator-key", operator_key);
    let response = json_response("making an application", request.json(&body).send().await).await?;
    serde_json::from_value(response).map_err(|it| StackError::Demo(format!("an application has no keys: {it}")))
}

struct ApiClient<'a> {
    client: reqwest::Client,
    url: &'a str,
    data: &'a Path,
}

impl ApiClient<'_> {
    async fn get(&self, path: &str, keys: &ApplicationKeys) -> Result<Value, StackError> {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret);
        self.json_response(path, request.send().await).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        keys: Option<&ApplicationKeys>,
        body: &Value,
    ) -> Result<Value, StackError> {
        let method = method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = self.client.request(method, format!("{}{path}", self.url)).json(body);
        if let Some(keys) = keys {
            request = request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret);
        }
        self.json_response(path, request.send().await).await
    }

    async fn json_response(
        &self,
        what: &str,
        response: reqwest::Result<reqwest::Response>,
    ) -> Result<Value, StackError> {
        if response.as_ref().is_ok_and(|it| it.status() == reqwest::StatusCode::UNAUTHORIZED) {
            return Err(StackError::Demo(format!(
                "the demo's keys were replaced since; put the new ones into {}, or begin with --fresh",
                stack_file(self.data).display()
            )));
        }
        json_response(what, response).await
    }
}

async fn json_response(what: &str, response: reqwest::Result<reqwest::Response>) -> Result<Value, StackError> {
    let failed = |it: reqwest::Error| StackError::Demo(format!("{what} failed: {it}"));
    let answer = response.map_err(failed)?;
    let status = answer.status();
    let body = answer.text().await.map_err(failed)?;
    if !status.is_success() {
        return Err(StackError::Demo(format!("{what} was answered with {status}: {body}")));
    }
    serde_json::from_str(&body).map_err(|it| StackError::Demo(format!("{what} was answered with no JSON: {it}")))
}

fn string_member(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}
