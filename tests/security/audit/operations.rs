//! The operations of the description, and requests made from it: paths, queries, bodies.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use serde_json::{Map, Value, json};
use system_tests::{World, look_again};

use crate::security::audit::callers::Caller;
use crate::security::audit::planted::Planted;
use crate::security::audit::rules::{Fill, Rule, fill, rule};

/// Requests so far. Each comes from another address, so that none is refused for what the others did.
static SENT: AtomicUsize = AtomicUsize::new(0);
/// How often a request is repeated that found no free process.
const TIMES: usize = 20;
const BOUNDARY: &str = "audit";

/// An operation, and how to call it.
pub(crate) struct Operation {
    pub(crate) method: String,
    path: String,
    pub(crate) rule: Rule,
    /// Whether it names something that belongs to the application that is attacked.
    pub(crate) foreign: bool,
    /// Whether the caller says for which application it acts.
    pub(crate) names_application: bool,
    /// Parameters that are described as the path's, and are not in it.
    pub(crate) misplaced: Vec<String>,
    /// Of the path, in its order.
    segments: Vec<Fill>,
    query: Vec<Parameter>,
    body: Option<Body>,
}

struct Parameter {
    name: String,
    fill: Fill,
    /// Whether it is a number or a flag.
    typed: bool,
}

#[derive(Clone)]
struct Body {
    kind: String,
    text: String,
}

/// What bodies hold that the description does not know.
pub(crate) struct Bodies {
    /// What another application sends to get a token of this one.
    pub(crate) stolen: Value,
    /// Issuers that are to be trusted.
    pub(crate) issuers: Value,
}

/// At what a request is aimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// What the application that is attacked has.
    Theirs,
    /// Things that there are not.
    Nothing,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// All that was sent, to know an echo by.
    pub(crate) sent: String,
}

/// Reads all operations; or says which of them nobody has written a rule for.
pub(crate) fn read(api: &Value, planted: &Planted, bodies: &Bodies) -> Result<Vec<Operation>, Vec<String>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, it) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            match Operation::read(api, &method, path, it, planted, bodies) {
                Ok(it) => all.push(it),
                Err(why) => wrong.push(format!("{method} {path}: {why}")),
            }
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

impl Operation {
    fn read(
        api: &Value,
        method: &str,
        path: &str,
        it: &Value,
        planted: &Planted,
        bodies: &Bodies,
    ) -> Result<Self, String> {
        let rule = rule(method, path).ok_or("say in RULES of tests/security/audit/rules.rs who may call it")?;
        let security = it["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        let security: BTreeSet<&str> = security.flat_map(|it| it.keys().map(String::as_str)).collect();
        if !security.iter().eq(rule.security()) {
            return Err(format!("its `security` is {security:?}, its rule {rule:?} wants {:?}", rule.security()));
        }
        let unknown = |place: &str, name: &str| {
            format!("say in `fill` of tests/security/audit/rules.rs what the {place} parameter `{name}` stands for")
        };
        let mut segments = Vec::new();
        for name in path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}')) {
            segments.push(fill(method, path, "path", name, planted).ok_or_else(|| unknown("path", name))?);
        }
        let (mut query, mut misplaced) = (Vec::new(), Vec::new());
        for parameter in it["parameters"].as_array().into_iter().flatten() {
            let (mut place, name) =
                (parameter["in"].as_str().unwrap_or_default(), parameter["name"].as_str().unwrap_or_default());
            if place == "path" && !path.contains(&format!("{{{name}}}")) {
                place = "query";
                misplaced.push(name.to_owned());
            }
            let fill = fill(method, path, place, name, planted).ok_or_else(|| unknown(place, name))?;
            if place == "query" {
                let kind = parameter["schema"]["type"].to_string();
                let typed = ["integer", "number", "boolean"].iter().any(|it| kind.contains(it));
                query.push(Parameter { name: name.to_owned(), fill, typed });
            }
        }
        let mut all = segments.iter().chain(query.iter().map(|it| &it.fill));
        let foreign = all.any(|it| matches!(it, Fill::Theirs(_) | Fill::Tenant(_)));
        let names_application = query.iter().any(|it| it.fill == Fill::Application);
        let (method, path) = (method.to_owned(), path.to_owned());
        let body = if rule == Rule::Body {
            Some(Body { kind: "application/json".to_owned(), text: bodies.stolen.to_string() })
        } else {
            body(api, &it["requestBody"]["content"], &bodies.issuers)
        };
        Ok(Self { method, path, rule, foreign, names_application, misplaced, segments, query, body })
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn url(&self, world: &World<'_>, caller: &Caller, aim: Aim) -> Url {
        let value = |it: &Fill| match (it, aim) {
            (Fill::Application, _) => Some(caller.named.clone()),
            (Fill::Tenant(it), _) | (Fill::Theirs(it) | Fill::Shared(it), Aim::Theirs) => Some(it.clone()),
            (Fill::Theirs(_) | Fill::Shared(_), Aim::Nothing) => Some("nobody".to_owned()),
            (Fill::Left, _) => None,
        };
        let mut url = Url::parse(&world.stack.url).unwrap();
        let mut values = self.segments.iter().filter_map(value);
        let segments = self.path.split('/').skip(1);
        let segments = segments.map(|it| if it.starts_with('{') { values.next().unwrap() } else { it.to_owned() });
        url.path_segments_mut().unwrap().clear().extend(segments);
        for parameter in &self.query {
            let wrong = (caller.broken && parameter.typed).then(|| "x".to_owned());
            if let Some(value) = wrong.or_else(|| value(&parameter.fill)) {
                url.query_pairs_mut().append_pair(&parameter.name, &value);
            }
        }
        url
    }

    pub(crate) async fn send(&self, world: &World<'_>, caller: &Caller, aim: Aim) -> Answer {
        let broken = || Body { kind: "text/plain".to_owned(), text: "{".to_owned() };
        let body = self.body.clone().map(|it| if caller.broken { broken() } else { it });
        self.request(world, caller, aim, body).await
    }

    pub(crate) async fn send_body(&self, world: &World<'_>, caller: &Caller, aim: Aim, body: &Value) -> Answer {
        let body = Body { kind: "application/json".to_owned(), text: body.to_string() };
        self.request(world, caller, aim, Some(body)).await
    }

    async fn request(&self, world: &World<'_>, caller: &Caller, aim: Aim, body: Option<Body>) -> Answer {
        let url = self.url(world, caller, aim);
        for _ in 0..TIMES {
            let request = world.http.request(self.method.parse().unwrap(), url.clone());
            let request = request.header("x-forwarded-for", address()).header("x-extended", "true");
            let mut request = caller.headers.iter().fold(request, |it, (name, value)| it.header(*name, value));
            if let Some(Body { kind, text }) = &body {
                request = request.header("content-type", kind).body(text.clone());
            }
            let answer = request.send().await.unwrap();
            let (status, bytes) = (answer.status().as_u16(), answer.bytes().await.unwrap());
            let found = String::from_utf8_lossy(&bytes).into_owned();
            if status == 503 && found.contains("Service Unavailable") {
                look_again().await; // API Gateway's word, not ours
                continue;
            }
            let sent = format!("{url} {:?} {}", caller.headers, body.map(|it| it.text).unwrap_or_default());
            return Answer { status, body: found, sent };
        }
        panic!("{}: no process was free for it", self.name());
    }
}

/// An address of a caller (RFC 5737): the last one of this header is the one that API Gateway saw.
pub(crate) fn address() -> String {
    format!("198.51.100.{}", SENT.fetch_add(1, Ordering::Relaxed) % 254 + 1)
}

/// The least body that a description takes.
fn body(api: &Value, content: &Value, issuers: &Value) -> Option<Body> {
    let (kind, it) = content.as_object()?.iter().next()?;
    if kind == "multipart/form-data" {
        let (kind, text) = (format!("{kind}; boundary={BOUNDARY}"), format!("--{BOUNDARY}--\r\n"));
        return Some(Body { kind, text });
    }
    let example = it["examples"].as_object().and_then(|all| all.values().next());
    let text = match example {
        Some(example) => example["value"].to_string(),
        None => sample(api, &it["schema"], issuers).to_string(),
    };
    Some(Body { kind: kind.clone(), text })
}

/// A value of a schema: what it shows as an example, or the least that it takes.
fn sample(api: &Value, schema: &Value, issuers: &Value) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        return sample(api, api.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null), issuers);
    }
    let example = [&schema["example"], &schema["examples"][0]].into_iter().find(|it| !it.is_null());
    if let Some(it) = example {
        return it.clone();
    }
    let several = ["allOf", "anyOf", "oneOf"].iter().find_map(|it| schema[*it].as_array()?.last());
    if let Some(it) = several {
        return sample(api, it, issuers);
    }
    let kind = match &schema["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).find(|it| *it != "null").unwrap_or_default(),
        it => it.as_str().unwrap_or_default(),
    };
    match kind {
        "object" => {
            let mut made = Map::new();
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let value = match name {
                    "user_id" => json!("audit"), // the example is somebody's in other tests
                    _ => sample(api, &schema["properties"][name], issuers),
                };
                made.insert(name.to_owned(), value);
            }
            if schema["properties"].get("oidc_issuers").is_some() {
                made.insert("oidc_issuers".to_owned(), issuers.clone());
            }
            Value::Object(made)
        }
        "array" => match &schema["items"]["type"] {
            Value::String(it) if it == "string" => json!(["audit"]),
            _ => json!([]),
        },
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        _ => json!("audit"),
    }
}
