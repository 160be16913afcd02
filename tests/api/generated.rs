//! The description serves strangers: clients that are generated from it, and a machine that tries all that it allows and
//! all that it forbids.

use std::path::Path;

use system_tests::tools::{checker, linters, piped_in};
use system_tests::{World, own_stack, project};

/// The description as a file, in a folder of its own beside the tools that read it.
async fn described(world: &World<'_>, tools: &Path) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("api-").tempdir_in(tools).unwrap();
    std::fs::write(folder.path().join("openapi.json"), world.get("/docs/openapi.json").await.to_string()).unwrap();
    folder
}

fn path(it: &Path) -> String {
    it.to_string_lossy().into_owned()
}

/// Runs a program in a folder to its good end; answers what it said.
async fn run(folder: &Path, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (done, said) = piped_in(folder, program, arguments, environment, "").await;
    assert!(done, "{program} {arguments:?}: {said}");
    said
}

/// Where and as whom a client asks.
fn environment<'a>(world: &'a World<'_>) -> Vec<(&'static str, &'a str)> {
    vec![
        ("URL", world.stack.url.as_str()),
        ("APPLICATION", world.keys.application_id.as_str()),
        ("KEY", world.keys.api_key.as_str()),
        ("SECRET", world.keys.api_secret.as_str()),
        ("OPERATOR", world.stack.operator_key.as_str()),
    ]
}

#[test]
fn a_generated_python_client_makes_ten_calls() {
    World::run(async |world| {
        let tools = checker().await;
        let (folder, program) = (described(world, tools).await, |name: &str| path(&tools.join("bin").join(name)));
        let [document, package] = ["openapi.json", "notifications_client"].map(|it| path(&folder.path().join(it)));
        let generate = ["generate", "--path", &document, "--output-path", &package, "--meta", "none"];
        run(folder.path(), &program("openapi-python-client"), &generate, &[]).await;
        let modules = path(folder.path());
        let mut environment = environment(world);
        environment.extend([("PYTHONPATH", modules.as_str()), ("PYTHONDONTWRITEBYTECODE", "1")]);
        let script = path(&project().join("tests/clients/generated.py"));
        let said = run(folder.path(), &program("python"), &[&script], &environment).await;
        assert!(said.contains("right 10"), "{said}");
    });
}

#[test]
fn a_generated_typescript_client_makes_ten_calls() {
    World::run(async |world| {
        let tools = linters().await;
        let folder = described(world, tools).await;
        let program = |name: &str| path(&tools.join("node_modules/.bin").join(name));
        let file = |name: &str| path(&folder.path().join(name));
        let [document, types, script] = ["openapi.json", "schema.ts", "generated.ts"].map(file);
        std::fs::copy(project().join("tests/clients/generated.ts"), &script).unwrap();
        // it takes what has a default value for what must be there, otherwise
        let generate = [document.as_str(), "--default-non-nullable=false", "-o", &types];
        run(folder.path(), &program("openapi-typescript"), &generate, &[]).await;
        let (out, kinds) = (file("out"), path(&tools.join("node_modules/@types")));
        // what does not fit the description does not compile
        let compile = ["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"];
        let more = ["--rewriteRelativeImportExtensions", "--typeRoots", &kinds, "--types", "node", "--outDir", &out];
        std::fs::write(file("package.json"), r#"{ "type": "module" }"#).unwrap();
        run(folder.path(), &program("tsc"), &[&compile[..], &more, &[script.as_str()]].concat(), &[]).await;
        let said = run(folder.path(), "node", &[&file("out/generated.js")], &environment(world)).await;
        assert!(said.contains("right 10"), "{said}");
    });
}

/// Paths of the published API, whose forms are a third of the work; and of OMA's APIs, with the seed's dialect, which are
/// another.
const PUBLISHED: &str = "/api/v1/(Notification|Image|Authorization)/";
const OMA: &str = r"/(notificationchannel|nms|\{userId\}|proxy|replay)";

/// Schemathesis: examples, the edges of every schema, and what its dice give, right and wrong, at every operation. It finds
/// no answer that is not described, nothing right that is refused, nothing wrong that is accepted. On a stack of its own: it
/// adds channels and buckets that lead nowhere. (Three processes, not its workers: parsing in two threads of one process
/// fails now and then in Python 3.11.)
#[test]
fn whatever_is_described_is_so() {
    World::alone(async || {
        let data = tempfile::Builder::new().prefix("asked-").tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let (published, oma) = (format!("^{PUBLISHED}"), format!("^{OMA}"));
        let rest = format!("^({PUBLISHED}|{OMA})");
        let (published, ours, oma) = futures_util::future::join3(
            asked(&world, "schemathesis.toml", ["--include-path-regex", &published]),
            asked(&world, "schemathesis.toml", ["--exclude-path-regex", &rest]),
            asked(&world, "schemathesis_oma.toml", ["--include-path-regex", &oma]),
        )
        .await;
        let api = world.get("/docs/openapi.json").await;
        let methods = api["paths"].as_object().unwrap().values().map(|it| it.as_object().unwrap().len());
        let (all, left_out) = (methods.sum::<usize>(), 2);
        assert_eq!(published + ours + oma + left_out, all, "every operation is tried, but for those that are named");
        world.get("/api/v1/Media/Summary").await; // its keys are still good: they were, all the time
    });
}

/// Runs schemathesis, without a failure, with these rules and for this part of the API; answers how many operations it tried.
async fn asked(world: &World<'_>, config: &str, part: [&str; 2]) -> usize {
    let (tools, rules) = (checker().await, project().join("tests/api/described"));
    let folder = described(world, tools).await;
    let files = [rules.join(config), folder.path().join("openapi.json"), rules];
    let [config, document, modules] = files.map(|it| path(&it));
    let mut environment = environment(world);
    environment.extend([
        ("SCHEMATHESIS_HOOKS", "schemathesis_hooks"),
        ("PYTHONPATH", modules.as_str()),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    let ask = ["--config-file", &config, "--no-color", "run", &document, "--url", &world.stack.url];
    let bounds = ["--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1", "--workers", "1"];
    let program = path(&tools.join("bin/schemathesis"));
    let said = run(folder.path(), &program, &[&ask[..], &part, &bounds].concat(), &environment).await;
    println!("{said}");
    let tried = said.lines().find_map(|it| it.trim().strip_prefix("Tested: ")?.trim().parse().ok());
    tried.expect("it says how many operations it tried")
}
