//! Kills a function between any two of its steps: a proxy in front of what it calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, header};
use local::function::Function;
use local::{Options, Programs, Stack};
use system_tests::{http, program, project};

/// Stands between functions and the emulators, and kills the function at a step.
pub(crate) struct KillingProxy {
    http: reqwest::Client,
    /// The address behind a service's name.
    targets: OnceLock<HashMap<&'static str, String>>,
    function: OnceLock<Arc<Function>>,
    plan: Mutex<Plan>,
}

/// At which request to kill, and whether before it is passed on or after.
#[derive(Default)]
struct Plan {
    requests: usize,
    kill: Option<(usize, bool)>,
}

impl KillingProxy {
    /// Begins a run that kills at a step, or at none. A step is even before a request, and odd after it.
    pub(crate) fn arm(&self, step: Option<usize>) {
        *self.plan.lock().unwrap() = Plan { requests: 0, kill: step.map(|it| (it / 2, it % 2 == 1)) };
    }

    /// How many requests the run has made.
    pub(crate) fn requests(&self) -> usize {
        self.plan.lock().unwrap().requests
    }

    fn kill(&self) {
        assert!(self.function.get().unwrap().kill_one_busy(), "the function is under way");
    }
}

/// Passes a request on, unless its function is killed before or after it.
async fn pass(State((service, proxy)): State<(&'static str, Arc<KillingProxy>)>, request: Request) -> Response<Body> {
    let (number, kill) = {
        let mut plan = proxy.plan.lock().unwrap();
        plan.requests += 1;
        (plan.requests - 1, plan.kill)
    };
    let gone = || Response::builder().status(500).body(Body::empty()).unwrap();
    if kill == Some((number, false)) {
        proxy.kill();
        return gone();
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let url = format!("{}{}", proxy.targets.get().unwrap()[service], parts.uri.path_and_query().unwrap());
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|it| it.0 != header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    let body = answer.bytes().await.unwrap();
    if kill == Some((number, true)) {
        proxy.kill();
        return gone();
    }
    response.body(Body::from(body)).unwrap()
}

/// A stack in which one function's requests pass a proxy.
pub(crate) async fn proxied_stack(
    data: &std::path::Path,
    resource: &str,
    name: &str,
    parameters: &[(&str, &str)],
) -> (Stack, Arc<KillingProxy>) {
    let proxy = Arc::new(KillingProxy {
        http: http(),
        targets: OnceLock::new(),
        function: OnceLock::new(),
        plan: Mutex::default(),
    });
    let mut urls = HashMap::new();
    for service in ["DYNAMODB", "SQS", "SOCKETS", "STRIPE"] {
        let router = Router::new().fallback(pass).with_state((service, proxy.clone()));
        urls.insert(service, system_tests::serve(router).await);
    }
    // the project with a template in which the function's endpoints are the proxy's
    let template = std::fs::read_to_string(project().join("template.yaml")).unwrap();
    let (mut changed, mut is_own) = (String::new(), false);
    for line in template.lines() {
        let is_resource = line.starts_with("  ") && line.as_bytes().get(2).is_some_and(u8::is_ascii_uppercase);
        is_own = if is_resource { line == format!("  {resource}:") } else { is_own };
        match line.trim() {
            own if is_own && own.starts_with("TABLE:") => {
                changed += &format!("{line}\n");
                for service in ["DYNAMODB", "SQS"] {
                    changed += &format!("          AWS_ENDPOINT_URL_{service}: {}\n", urls[service]);
                }
            }
            own if is_own && own.starts_with("SOCKET_ENDPOINT:") => {
                changed += &format!("          SOCKET_ENDPOINT: {}\n", urls["SOCKETS"]);
            }
            own if is_own && own.starts_with("STRIPE_URL:") => {
                changed += &format!("          STRIPE_URL: {}\n", urls["STRIPE"]);
            }
            _ => changed += &format!("{line}\n"),
        }
    }
    let folder = data.join("project");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("template.yaml"), changed).unwrap();
    std::fs::copy(project().join("samconfig.toml"), folder.join("samconfig.toml")).unwrap();
    system_tests::built().await;
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let programs = Programs::AllInOne(program());
    let (data, call_log) = (data.to_owned(), Some(system_tests::call_log()));
    let options = Options { project: folder, programs, data, fresh: false, port: 0, parameters, call_log };
    let stack = Stack::start(options).await.expect("the stack starts");
    let sockets = format!("{}/live", stack.url);
    let stripe = stack.stripe.url().to_owned();
    let targets = [
        ("DYNAMODB", stack.dynamodb_url.clone()),
        ("SQS", stack.sqs_url.clone()),
        ("SOCKETS", sockets),
        ("STRIPE", stripe),
    ];
    proxy.targets.set(targets.into()).unwrap();
    assert!(proxy.function.set(stack.function(name).unwrap().clone()).is_ok());
    (stack, proxy)
}

/// Makes a request at every step of which the function is killed; answers what was sent, and whether it was answered.
pub(crate) async fn kill_at_each_step(proxy: &KillingProxy, send: impl AsyncFn(&str) -> u16) -> Vec<(String, bool)> {
    // once to start a process and to fill its caches, once to count the steps
    for warm_up in ["warm-1", "warm-2"] {
        proxy.arm(None);
        assert!(send(warm_up).await < 300);
    }
    let mut sent = Vec::new();
    for step in 0.. {
        proxy.arm(None);
        assert!(send(&format!("between-{step}")).await < 300); // a process that was killed is replaced
        let name = format!("step-{step}");
        proxy.arm(Some(step));
        let status = send(&name).await;
        sent.push((name, status < 300));
        if proxy.requests() * 2 <= step {
            proxy.arm(None);
            return sent; // it has ended before that step
        }
    }
    sent
}
