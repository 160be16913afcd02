//! What other people's clients need: packages of npm, pip and Debian, pinned, in the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use local::processors::{EXAMPLES, Example};
use local::rabbitmq::RabbitMq;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::OnceCell;

use crate::{PATIENCE, project, runs};

static NODE: OnceCell<PathBuf> = OnceCell::const_new();
static PYTHON: OnceCell<PathBuf> = OnceCell::const_new();
static LINTERS: OnceCell<PathBuf> = OnceCell::const_new();
static CHECKER: OnceCell<PathBuf> = OnceCell::const_new();
static CHROMIUM: OnceCell<()> = OnceCell::const_new();
static EXPANDED: OnceCell<serde_json::Value> = OnceCell::const_new();
static EXAMPLE_FOLDERS: [OnceCell<Option<PathBuf>>; EXAMPLES.len()] = [OnceCell::const_new(), OnceCell::const_new()];

/// The folder whose `node_modules` hold the official SignalR client, a driver for browsers, and axe, which checks pages.
pub async fn node() -> &'static PathBuf {
    let packages = [
        "@microsoft/signalr@10.0.11",
        "playwright-core@1.64.1",
        "axe-core@4.14.1",
        "standardwebhooks@1.1.1",
        "svix@2.5.0",
    ];
    NODE.get_or_init(async || npm("node", &packages).await).await
}

/// The folder whose `node_modules` hold validators of descriptions, and a generator of clients.
pub async fn linters() -> &'static PathBuf {
    let packages = [
        "@stoplight/spectral-cli@6.16.3",
        "@redocly/cli@2.77.0",
        "@asyncapi/parser@3.6.6",
        "openapi-typescript@7.13.0",
        "openapi-fetch@0.17.0",
        "typescript@5.9.3",
        "@types/node@20.19.43",
    ];
    LINTERS.get_or_init(async || npm("linters", &packages).await).await
}

/// A Python with the packages that independent clients need.
pub async fn python() -> &'static PathBuf {
    let packages = [
        "websockets==15.0.1",
        "signalrcore==1.0.2",
        "standardwebhooks==1.1.0",
        "pysignalr==1.3.3",
        "svix==2.9.1",
        "pika==1.4.4",
        "cloudevents==2.2.0",
        "requests==2.34.2",
        "stripe==16.1.0",
        "webvtt-py==0.6.0",
    ];
    PYTHON.get_or_init(async || pip("python", &packages).await.join("bin/python")).await
}

/// A Python environment for descriptions, apart from the clients: a validator, a generator of clients, and schemathesis,
/// which need many packages.
pub async fn checker() -> &'static PathBuf {
    let packages = ["openapi-spec-validator==0.9.0", "openapi-python-client==0.29.1", "schemathesis==4.32.5"];
    CHECKER.get_or_init(async || pip("checker", &packages).await).await
}

/// The template as the transform of SAM expands it, which is what CloudFormation deploys.
pub async fn expanded_template() -> &'static serde_json::Value {
    EXPANDED
        .get_or_init(async || {
            // the translator reads YAML by a package that it does not ask for
            let python = pip("sam", &["aws-sam-translator==1.115.0", "PyYAML==6.0.4"]).await.join("bin/python");
            let (script, template) = (project().join(".ci/expand.py"), project().join("template.yaml"));
            let arguments = ["-W", "ignore", &script.to_string_lossy(), &template.to_string_lossy()];
            let (done, text) = piped(&python.to_string_lossy(), &arguments, &[], "").await;
            assert!(done, "{text}");
            serde_json::from_str(&text).expect("the template in JSON")
        })
        .await
}

/// A copy of the console's sources and built files, with the packages that its lock file names: the folder of the sources.
pub async fn console_sources() -> PathBuf {
    let from = project().join("functions/console-api");
    let lock = std::fs::read_to_string(from.join("web/package-lock.json")).expect("a lock file");
    let folder = installed("console", &[&lock], async |folder| {
        let web = folder.join("web");
        std::fs::create_dir_all(&web).expect("a folder");
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(from.join("web").join(file), web.join(file)).expect("a copy");
        }
        let install = ["ci", "--no-audit", "--no-fund", "--prefix", &web.to_string_lossy()];
        assert!(runs("npm", &install).await, "the tests need Node.js 20 and npm: apt-get install nodejs npm");
    })
    .await;
    let web = folder.join("web");
    for (what, to) in [("web/src", &web), ("web/build.mjs", &web), ("web/tsconfig.json", &web), ("dist", &folder)] {
        let name = Path::new(what).file_name().expect("a name");
        drop(std::fs::remove_dir_all(to.join(name))); // there may be none yet
        let (from, to) = (from.join(what).to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
        let copied = ["-r", &from, &to];
        assert!(runs("cp", &copied).await, "{what} is copied");
    }
    web
}

/// A copy of a worked example of a processor, by its place in [`EXAMPLES`], with the packages that it needs. `None`, with a
/// line that says why, if packages of Debian are missing and cannot be installed here.
pub async fn example(index: usize) -> Option<PathBuf> {
    EXAMPLE_FOLDERS[index].get_or_init(async || prepared(&EXAMPLES[index]).await).await.clone()
}

async fn prepared(example: &Example) -> Option<PathBuf> {
    let from = example.folder(&project());
    let lock = std::fs::read_to_string(from.join("package-lock.json")).unwrap_or_default();
    let folder = installed(example.name, &[&lock], async |folder| {
        std::fs::create_dir_all(folder).expect("a folder");
        if example.has_npm_packages {
            for file in ["package.json", "package-lock.json", ".npmrc"] {
                std::fs::copy(from.join(file), folder.join(file)).expect("a copy");
            }
            let install = ["ci", "--no-audit", "--no-fund", "--prefix", &folder.to_string_lossy()];
            assert!(runs("npm", &install).await, "the tests need Node.js 20 and npm: apt-get install nodejs npm");
        }
    })
    .await;
    for file in std::fs::read_dir(&from).expect("its files").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".mjs") || name.ends_with(".py") {
            std::fs::copy(file.path(), folder.join(name)).expect("a copy");
        }
    }
    if example.check(&folder).await.is_err() {
        let install = [&["install", "-y", "--no-install-recommends"][..], example.packages].concat();
        // the next check tells whether that was enough
        let _done = runs("apt-get", &["update"]).await && runs("apt-get", &install).await;
    }
    match example.check(&folder).await {
        Ok(()) => Some(folder),
        Err(missing) => {
            println!("SKIPPED: the example `{}` is not tested: {missing}; {}", example.name, example.hint());
            None
        }
    }
}

/// A folder with packages of npm, if it does not hold these already.
async fn npm(name: &str, packages: &[&str]) -> PathBuf {
    installed(name, packages, async |folder| {
        std::fs::create_dir_all(folder).expect("a folder");
        let prefix = folder.to_string_lossy().into_owned();
        let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", &prefix];
        let done = runs("npm", &[&install[..], packages].concat()).await;
        assert!(done, "the tests need Node.js 20 and npm: apt-get install nodejs npm");
    })
    .await
}

/// A virtual environment with packages of PyPI, if it does not hold these already.
async fn pip(name: &str, packages: &[&str]) -> PathBuf {
    installed(name, packages, async |folder| {
        let made = runs("python3", &["-m", "venv", &folder.to_string_lossy()]).await;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let python = folder.join("bin/python");
        let done = made && runs(&python.to_string_lossy(), &[&install[..], packages].concat()).await;
        assert!(done, "the tests need Python 3 with venv and pip: apt-get install python3-venv");
    })
    .await
}

/// Fills a folder of tools unless it says that it holds these packages.
async fn installed(name: &str, packages: &[&str], fill: impl AsyncFnOnce(&Path)) -> PathBuf {
    let folder = project().join("target/test-tools").join(name);
    let (list, packages) = (folder.join("installed"), packages.join("\n"));
    if std::fs::read_to_string(&list).ok().as_deref() != Some(&packages) {
        fill(&folder).await;
        std::fs::write(list, packages).expect("a file");
    }
    folder
}

/// Debian's Chromium at `/usr/bin/chromium`.
pub async fn chromium() {
    CHROMIUM
        .get_or_init(async || {
            if !Path::new("/usr/bin/chromium").is_file() {
                let done = runs("apt-get", &["update"]).await
                    && runs("apt-get", &["install", "-y", "--no-install-recommends", "chromium"]).await;
                assert!(done, "the tests need Chromium: apt-get install chromium");
            }
        })
        .await;
}

static RABBIT: OnceCell<()> = OnceCell::const_new();

/// Debian's package of RabbitMQ.
pub async fn install_rabbit() {
    RABBIT
        .get_or_init(async || {
            if !RabbitMq::is_installed() {
                let install = ["install", "-y", "--no-install-recommends", "rabbitmq-server"];
                let done = runs("apt-get", &["update"]).await && runs("apt-get", &install).await;
                assert!(done, "the tests need RabbitMQ: apt-get install rabbitmq-server");
            }
        })
        .await;
}

/// A RabbitMQ of a test's own, which it may stop and start again; Debian's package.
pub struct Rabbit {
    broker: RabbitMq,
    _folder: tempfile::TempDir,
}

impl Rabbit {
    pub async fn start() -> Self {
        install_rabbit().await;
        let folder = tempfile::tempdir().expect("a folder");
        let broker = RabbitMq::start(folder.path(), None).await.expect("RabbitMQ starts");
        Self { broker, _folder: folder }
    }

    /// The URL of the broker, without credentials (`guest`, `guest`).
    pub fn url(&self) -> String {
        self.broker.url()
    }

    /// Starts the broker again, with what it kept.
    pub async fn run(&mut self) {
        self.broker.run().await.expect("RabbitMQ starts again");
    }

    /// Stops the broker, as an operator does.
    pub async fn stop(&mut self) {
        self.broker.stop().await.expect("RabbitMQ stops");
    }

    /// Runs `rabbitmqctl`.
    pub async fn control(&self, arguments: &[&str]) {
        self.broker.control(arguments).await.expect("rabbitmqctl runs");
    }
}

/// Runs a program to its end with this input; answers what it printed, or what it complained of.
pub async fn piped(program: &str, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> (bool, String) {
    piped_in(Path::new("."), program, arguments, environment, input).await
}

/// The same in a folder, where it may leave files.
pub async fn piped_in(
    folder: &Path,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> (bool, String) {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).envs(environment.iter().copied()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).await.expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A program that talks by lines.
pub struct Talker {
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    _child: Child,
}

impl Talker {
    pub fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().copied()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { lines, input: child.stdin.take().expect("its input"), _child: child }
    }

    /// The next line; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        let next = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        next.expect("a line comes in ten minutes").expect("its output is read")
    }

    /// The next line, if one comes within two seconds.
    pub async fn soon(&mut self) -> Option<String> {
        let next = tokio::time::timeout(Duration::from_secs(2), self.lines.next_line()).await.ok()?;
        next.expect("its output is read")
    }

    /// Waits for a line with a text in it.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("it ended before it said `{text}`"));
            println!("{line}");
            if line.contains(text) {
                return line;
            }
        }
    }

    pub async fn answer(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it listens");
    }
}
