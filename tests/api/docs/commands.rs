//! The commands of the README and of the guide: each block is run as it stands, page after page, on a stack of its own.
//!
//! The language of a fenced block says what becomes of it. `sh` is run. `sh (not run: why)` cannot be run here. `text` is
//! what the block before it prints, `…` standing for anything. `json` is read. `js` and `mermaid` have tests of their own.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use system_tests::tools::Talker;
use system_tests::{World, own_stack, program, project, runs};

use super::pages;

/// A fenced block.
#[derive(Debug)]
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    language: String,
    body: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                found.push(Block { line: index + 1, language: language.to_owned(), body: String::new() });
                open = true;
            }
            (Some(rest), true) => {
                assert_eq!(rest, "", "line {}: the end of a block", index + 1);
                open = false;
            }
            (None, true) => {
                let block = found.last_mut().expect("an open block");
                block.body.push_str(line);
                block.body.push('\n');
            }
            (None, false) => assert!(!line.trim_start().starts_with("```"), "line {}: indented", index + 1),
        }
    }
    assert!(!open, "a block does not end");
    found
}

/// The names that follow a word in a text, such as the test after `-p system-tests`.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let name = |it: &'a str| it.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap_or_default();
    text.split(word).skip(1).map(name).filter(|it| !it.is_empty()).collect()
}

/// The names of the source files below a folder, without their ending.
fn sources(folder: &Path, names: &mut BTreeSet<String>) {
    for item in std::fs::read_dir(folder).unwrap().flatten().map(|item| item.path()) {
        if item.is_dir() && item.join("node_modules").exists() {
            continue;
        }
        if item.is_dir() {
            sources(&item, names);
        } else if item.extension().is_some_and(|it| it == "rs") {
            names.insert(item.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn each_block_says_whether_it_is_run_and_names_what_is_there() {
    let (mut tests, mut all) = (BTreeSet::new(), BTreeSet::new());
    sources(&project().join("tests"), &mut tests);
    ["tests", "shared", "functions"].iter().for_each(|folder| sources(&project().join(folder), &mut all));
    let template = std::fs::read_to_string(project().join("template.yaml")).unwrap();
    let mut run = 0;
    for (name, text) in pages() {
        let blocks = blocks(&text);
        for (index, block) in blocks.iter().enumerate() {
            let at = format!("{name}, line {}", block.line);
            match block.language.as_str() {
                "sh" => run += 1,
                "text" => {
                    let before = index.checked_sub(1).map(|it| blocks[it].language.as_str());
                    assert_eq!(before, Some("sh"), "{at}: what is printed stands behind what is run");
                }
                "json" => drop(serde_json::from_str::<Value>(&block.body).unwrap_or_else(|why| panic!("{at}: {why}"))),
                "js" => {}
                "mermaid" => assert_eq!(name, "README.md", "{at}: the guide shows no pictures"),
                other => {
                    let reason = other.strip_prefix("sh (not run: ").and_then(|it| it.strip_suffix(')'));
                    assert!(reason.is_some_and(|it| it.len() > 10), "{at}: `{other}`: is it run, and if not, why?");
                }
            }
        }
        let named = text.replace("https://rustup.rs", "");
        let names = named.split(|it: char| !it.is_alphanumeric() && it != '_' && it != '.');
        for file in names.filter_map(|it| it.strip_suffix(".rs")) {
            assert!(all.contains(file), "{name} names {file}.rs, and there is no such file");
        }
        for test in after(&text, "-p system-tests ") {
            assert!(tests.contains(test), "{name} names the tests `{test}`, and there is no such file");
        }
        for parameter in after(&text, "--parameter-overrides ") {
            assert!(template.contains(&format!("\n  {parameter}:\n    Type: ")), "{name}: {parameter} is no parameter");
        }
    }
    assert!(run >= 20, "{run} blocks are run");
    let readme = &pages()[0].1;
    for command in ["cargo run", "cargo test --workspace"] {
        assert!(readme.contains(&format!("\n```sh\n{command}\n```\n")), "one of the two commands: {command}");
    }
    let lines = readme.lines().count();
    assert!((150..=200).contains(&lines), "the README has {lines} lines");
}

/// What a shell runs first: our programs in place of cargo's, and an end that leaves nothing running. Blocks have no input;
/// the shell's own is for the pauses between them.
const BEGIN: &str = "set -euo pipefail
exec 2>&1 3<&0 </dev/null
unset NOTIFY_URL NOTIFY_APPLICATION_ID NOTIFY_API_KEY NOTIFY_API_SECRET NOTIFY_SOCKET_URL
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
PATH=$PROGRAMS:$PATH
cd \"$FOLDER\"
";

/// `cargo` as the pages use it: what is run is there already, and the tests are what runs here.
const CARGO: &str = "#!/bin/sh
case \"$*\" in
  run | 'test --workspace') ;;
  'run -- '*) shift 2; exec notify \"$@\" ;;
  *) echo \"cargo $*: no page says how this is run here\"; exit 1 ;;
esac
";

/// Writes a script that the shell finds by its name.
fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The programs that the pages call. Each ends by itself, also when the test was killed; `curl` fails where the API refuses.
fn programs(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let notify = program();
    let notify = notify.to_str().unwrap();
    script(folder, "cargo", CARGO);
    script(folder, "notify", &format!("#!/bin/sh\nexec timeout 300 '{notify}' \"$@\"\n"));
    script(folder, "curl", "#!/bin/sh\nPATH=${PATH#*:}\nexec curl --fail-with-body --max-time 60 \"$@\"\n");
}

/// Whether a line that was printed is one that the page shows: its parts between `…`, in order, whatever the blanks.
fn fits(shown: &str, printed: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = plain(printed);
    let mut rest = printed.as_str();
    plain(shown).split('…').map(str::trim).all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn a_line_fits_with_its_gaps_and_in_its_order() {
    let printed = "✓ item.completed   a.jpg, faces: 1  (verified, number 7)";
    assert!(fits("item.completed a.jpg, faces: 1  (verified, number …)", printed));
    assert!(!fits("faces: 2 (verified, number …)", printed) && !fits("number … item.completed", printed));
}

#[test]
fn each_command_of_the_readme_and_of_the_guide_works() {
    World::alone(async || {
        if !runs("jq", &["--version"]).await {
            let installed = runs("apt-get", &["update"]).await && runs("apt-get", &["install", "-y", "jq"]).await;
            assert!(installed, "the tests need jq: apt-get install jq");
        }
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(&folder.path().join(".local"), &[]).await;
        let demo = local::demo::set_up(&stack).await.unwrap();
        let world = World::open(&stack).await;
        // what the pages name beside the stack: the project's pictures, the bucket of a customer, and a user's two files
        programs(&folder.path().join("programs"));
        std::fs::create_dir_all(folder.path().join("tests/media")).unwrap();
        for file in ["astronaut.jpg", "clip.mp4"] {
            let path = format!("tests/media/{file}");
            std::fs::copy(project().join(&path), folder.path().join(&path)).unwrap();
        }
        std::fs::create_dir_all(stack.bucket_folder("rushes")).unwrap();
        let config = json!({ "system": "iconik", "system_endpoint": demo.url, "iconik_url": demo.iconik.url });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let secrets = format!("ICONIK_APP_ID={}\nICONIK_ACCESS_TOKEN={}\n", demo.iconik.app_id, demo.iconik.token);
        std::fs::write(folder.path().join(".env"), secrets).unwrap();
        for (name, text) in pages() {
            page(&world, folder.path(), &name, &text).await;
        }
    });
}

/// Runs a page's blocks in one shell.
async fn page(world: &World<'_>, folder: &Path, name: &str, text: &str) {
    let (url, s3) = (world.stack.url.as_str(), world.stack.s3_url.as_str());
    let blocks = blocks(text);
    let runs: Vec<(usize, &Block)> = blocks.iter().enumerate().filter(|it| it.1.language == "sh").collect();
    if runs.is_empty() {
        return;
    }
    let mut commands = BEGIN.to_owned();
    for (_, block) in &runs {
        // the stack's own addresses, and its storage in place of a customer's
        let body = block.body.replace("http://127.0.0.1:8000", url).replace("--port 9000", "--port 0");
        let body = body.replace("https://abc123.execute-api.eu-central-1.amazonaws.com", url);
        let body = body.replace("https://swarm.example.com", s3);
        let body = body.replace("KEY=rushes-reader", "KEY=test").replace("KEY=example-secret", "KEY=test");
        commands.push_str(&format!("{body}echo; echo ':::done'\nread -r _ <&3\n"));
    }
    let (folder_text, data) = (folder.to_string_lossy(), folder.join(".local"));
    let programs = folder.join("programs");
    let environment = [
        ("FOLDER", folder_text.as_ref()),
        ("PROGRAMS", programs.to_str().unwrap()),
        ("NOTIFY_DATA", data.to_str().unwrap()),
        ("NOTIFY_OPERATOR_KEY", world.stack.operator_key.as_str()),
    ];
    let mut shell = Talker::start("bash", &["-c", &commands], &environment);
    for (index, block) in &runs {
        let at = format!("{name}, line {}", block.line);
        let mut printed: Vec<String> = Vec::new();
        while !next(&mut shell, &mut printed, &at).await {}
        let shown = blocks.get(index + 1).filter(|it| it.language == "text").map_or("", |it| it.body.as_str());
        for line in shown.lines() {
            // what comes later is printed by what runs on, such as a receiver
            while !printed.iter().any(|it| fits(line, it)) {
                println!("{at}: waits for `{line}`");
                next(&mut shell, &mut printed, &at).await;
            }
        }
        if block.body.contains("receive --port") {
            world
                .until(&format!("{at}: the receiver is confirmed"), async || {
                    let (_, channels) = world.notify(&["channel", "list", "--json"]).await;
                    let channels: Value = serde_json::from_str(&channels).unwrap_or_default();
                    let active = |it: &Value| it["channel"] == 0 && it["status"] == "active";
                    channels.as_array().is_some_and(|all| all.iter().any(active)).then_some(())
                })
                .await;
        }
        shell.answer("").await;
    }
    while shell.line().await.is_some() {}
}

/// Takes the next line that is printed; tells whether the block has ended.
async fn next(shell: &mut Talker, printed: &mut Vec<String>, at: &str) -> bool {
    let Some(line) = shell.line().await else { panic!("{at}: a command failed:\n{}", printed.join("\n")) };
    let done = line == ":::done";
    printed.push(line);
    done
}
