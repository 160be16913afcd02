//! What clippy cannot hold: sizes, first lines, names, and the boundaries of crates.

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
            assert!(lines <= 50, "{shown}: main is start, build, run");
        }
        for (index, line) in text.lines().enumerate() {
            assert!(!line.trim_start().starts_with("#[allow("), "{shown}:{}: say #[expect(…, reason = …)]", index + 1);
        }
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
        ("shared/notify", &["domain", "table", "entry", "channels", "media"]),
        ("tests", &["domain", "table", "entry", "channels", "media"]),
        ("shared/table", &["tracing-subscriber", "reqwest", "entry"]),
        ("shared/media", &["table", "entry", "reqwest"]),
    ] {
        let manifest = depends(folder);
        for name in forbidden {
            assert!(!has(&manifest, name), "{folder} must not depend on {name}");
        }
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder} takes the workspace's lints");
    }
}
