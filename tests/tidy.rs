//! What clippy cannot hold: sizes, first lines, names, and the boundaries of crates.

mod circles;

use std::path::{Path, PathBuf};

use system_tests::project;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap().flatten() {
        let path = item.path();
        let name = item.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn sources_are_tidy() {
    let (root, mut files) = (project(), Vec::new());
    sources(&root, &mut files);
    assert!(files.len() > 80, "the sources are found");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(&root).unwrap().display();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("//!"), "{shown}: the first line is not `//! what this file is`");
        let lines = text.lines().count();
        assert!(lines <= 400, "{shown}: {lines} lines, split it");
        assert!(
            !["utils", "util", "helpers", "common", "misc", "mod"].contains(&name.as_str()),
            "{shown}: name it by what it holds"
        );
        if shown.to_string().starts_with("functions/") && name == "main" {
            assert!(lines <= 10, "{shown}: the program is what the library runs, and no more");
        }
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.trim_start(), index + 1);
            assert!(!line.starts_with("#[allow("), "{shown}:{number}: say #[expect(…, reason = …)]");
            let fence = line.starts_with("/// ```") || line.starts_with("//! ```");
            assert!(!fence, "{shown}:{number}: no package runs examples (`doctest = false`), write a test");
        }
    }
}

#[test]
fn each_function_runs_as_a_program_and_from_another() {
    let mut functions: Vec<PathBuf> =
        std::fs::read_dir(project().join("functions")).unwrap().flatten().map(|it| it.path()).collect();
    functions.retain(|it| it.is_dir());
    assert!(functions.len() >= 17, "the functions are found");
    for folder in functions {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let run = format!("    {}::run()\n", name.replace('-', "_"));
        assert!(read("src/main.rs").contains(&run), "{name}: its program runs its library, and no other");
        let library = read("src/lib.rs");
        let body = library.split_once("fn run() -> Result<(), entry::Error> {").map(|it| it.1);
        let body = body.and_then(|it| it.split("\n}\n").next()).unwrap_or_else(|| panic!("{name}: no `run`"));
        assert!(body.lines().count() <= 40, "{name}: run is start, build, run");
        assert!(
            read("Cargo.toml").contains("path = \"src/main.rs\"\ntest = false\n"),
            "{name}: no test program for nothing"
        );
    }
}

#[test]
fn crates_keep_to_their_boundaries() {
    let depends = |folder: &str| std::fs::read_to_string(project().join(folder).join("Cargo.toml")).unwrap();
    let has = |text: &str, name: &str| {
        text.split("[dev-dependencies]")
            .next()
            .unwrap()
            .lines()
            .any(|it| it.starts_with(&format!("{name}.")) || it.starts_with(&format!("{name} ")))
    };
    for (folder, forbidden) in [
        ("shared/domain", &["tokio", "reqwest", "aws-sdk-dynamodb", "aws-sdk-s3", "ring", "table", "entry"][..]),
        ("shared/local", &["domain", "table", "entry", "channels", "media"]),
        ("shared/notify", &["table", "entry", "channels", "media"]),
        ("shared/stripe-emulator", &["local", "stripe", "billing", "domain", "table", "entry", "guard"]),
        ("tests", &["domain", "table", "entry", "channels", "media"]),
        ("shared/table", &["tracing-subscriber", "reqwest", "entry"]),
        ("shared/media", &["table", "entry", "reqwest", "guard"]),
        ("shared/object-store", &["table", "entry", "reqwest", "media"]),
    ] {
        let manifest = depends(folder);
        for name in forbidden {
            assert!(!has(&manifest, name), "{folder} must not depend on {name}");
        }
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder} takes the workspace's lints");
    }
}

#[test]
fn no_crate_has_a_circle_of_files() {
    let crates = ["shared", "functions"].map(|folder| std::fs::read_dir(project().join(folder)).unwrap().flatten());
    let mut found = Vec::new();
    for source in crates.into_iter().flatten().map(|entry| entry.path().join("src")).filter(|path| path.is_dir()) {
        let name = source.strip_prefix(project()).unwrap().display().to_string();
        found.extend(circles::circles(&source).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

/// Words of a private language that the code once spoke, where the field has a word: not defined again.
const PRIVATE_WORDS: &[&str] = &[
    "Parts",
    "Trouble",
    "Failure",
    "Refusal",
    "Happened",
    "End",
    "Somebody",
    "Way",
    "Gate",
    "Turns",
    "Pace",
    "Once",
    "Lines",
    "Posts",
    "Marks",
    "NotMarked",
    "News",
    "Told",
    "Fit",
    "Word",
    "tell",
    "told",
    "list_told",
    "write_and_tell",
    "way",
    "gate",
    "turns",
    "take_pace",
    "once",
    "begin_once",
    "end_once",
    "passes",
    "talk",
    "marks",
    "foreign",
    "managers",
    "unwell",
    "obey",
    "look",
    "fit",
    "calm_as_is",
];

#[test]
fn names_are_those_of_the_field() {
    let (root, mut files) = (project(), Vec::new());
    sources(&root, &mut files);
    let mut found = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(&root).unwrap().display();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let code: String = line.split('"').step_by(2).collect();
            let words: Vec<&str> = code.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
            let defined = words.windows(2).find(|pair| {
                ["struct", "enum", "trait", "type", "fn", "mod"].contains(&pair[0]) && PRIVATE_WORDS.contains(&pair[1])
            });
            if let Some(pair) = defined.filter(|_| !line.starts_with("//")) {
                found.push(format!("{shown}:{}: {} {}", index + 1, pair[0], pair[1]));
            }
            // `it` is for what is over at the end of the line
            let opens = ["|it| {", "(it) => {", "(mut it) => {", "for it in "].iter().any(|end| match *end {
                "for it in " => line.starts_with(end),
                _ => line.ends_with(end),
            });
            if opens {
                found.push(format!("{shown}:{}: name what `it` is", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{} names:\n{}", found.len(), found.join("\n"));
}
