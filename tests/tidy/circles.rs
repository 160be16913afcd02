//! Circles of files: a file that names what stands in another one, which leads back to it. Read from the text of `use`
//! and of paths that begin with `crate::` or `super::`; a `lib.rs` that passes names on counts like any other file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path in its crate: empty for the root.
type Module = Vec<String>;

/// Each circle of a crate's files, as `a → b → a`.
pub(super) fn circles(source: &Path) -> Vec<String> {
    let modules = modules(source, &[]);
    let edges: BTreeMap<&Module, BTreeSet<&Module>> =
        modules.iter().map(|(module, text)| (module, named(module, text, &modules))).collect();
    let mut found = BTreeSet::new();
    for start in modules.keys() {
        if let Some(circle) = way_back(start, &edges) {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// The modules in a folder, without those for tests alone, and without `main.rs` beside a `lib.rs`.
fn modules(folder: &Path, above: &[String]) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let module: Module = above.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            found.extend(modules(&path, &module));
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let root = above.is_empty() && (name == "lib" || name == "main");
            if name == "main" && folder.join("lib.rs").exists() {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
            found.insert(if root { Vec::new() } else { module }, text);
        }
    }
    found
}

/// The modules of the same crate that a module's text names.
fn named<'a>(module: &Module, text: &str, modules: &'a BTreeMap<Module, String>) -> BTreeSet<&'a Module> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for (index, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..index].chars().next_back();
        if !before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':') {
            expand("", &code[index..], &mut paths);
        }
    }
    let children = modules.keys().filter(|child| child.len() == module.len() + 1 && child.starts_with(module));
    let children = children.filter(|child| code.contains(&format!("{}::", child.last().unwrap())));
    let named = paths.iter().filter_map(|path| {
        let mut parts: Vec<&str> = path.split("::").collect();
        let mut target: Module = Vec::new();
        if parts[0] == "super" {
            target.clone_from(module);
        }
        while matches!(parts.first(), Some(&"super" | &"crate")) {
            if parts.remove(0) == "super" {
                target.pop();
            }
        }
        target.extend(parts.into_iter().map(str::to_owned));
        while !target.is_empty() && !modules.contains_key(&target) {
            target.pop();
        }
        modules.get_key_value(&target).map(|it| it.0)
    });
    children.chain(named).filter(|other| *other != module).collect()
}

/// The paths of a tree such as `crate::{a, b::{C, D}}`, at the beginning of `text`. The rest of the text.
fn expand<'a>(prefix: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    let end = text.find(|it: char| !it.is_alphanumeric() && it != '_' && it != ':').unwrap_or(text.len());
    let (path, rest) = (format!("{prefix}{}", &text[..end]), &text[end..]);
    let Some(mut rest) = rest.strip_prefix('{').filter(|_| path.ends_with("::")) else {
        paths.push(path.trim_end_matches("::").to_owned());
        return rest;
    };
    loop {
        rest = expand(&path, rest, paths);
        // `Name as Other` and the comma behind it
        let Some(at) = rest.find([',', '}']) else { return "" };
        let closed = rest[at..].starts_with('}');
        rest = rest[at + 1..].trim_start();
        if closed || rest.starts_with('}') {
            return if closed { rest } else { &rest[1..] };
        }
    }
}

/// The shortest way from a module back to itself.
fn way_back(start: &Module, edges: &BTreeMap<&Module, BTreeSet<&Module>>) -> Option<String> {
    let shown = |module: &Module| if module.is_empty() { "lib".to_owned() } else { module.join("::") };
    let mut ways: Vec<Vec<&Module>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            for other in edges.get(way[way.len() - 1]).into_iter().flatten() {
                if *other == start {
                    // the same circle from each of its files is one
                    let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap_or_default();
                    let circle: Vec<String> = (0..=way.len()).map(|at| shown(way[(first + at) % way.len()])).collect();
                    return Some(circle.join(" → "));
                }
                if seen.insert(*other) {
                    next.push(way.iter().copied().chain([*other]).collect());
                }
            }
        }
        ways = next;
    }
    None
}

#[test]
fn a_circle_is_found_whatever_the_way_that_its_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    write("lib.rs", "mod a;\nmod b;\n");
    write("a.rs", "use crate::b::{\n    c::{D, E as F},\n    G,\n};\n");
    write("b.rs", "pub(crate) mod c;\npub(crate) struct G;\n");
    write("b/c.rs", "use std::fmt;\n#[cfg(test)]\nmod tests {\n    use crate::a::T;\n}\n");
    assert!(circles(folder.path()).is_empty(), "what tests use is none");
    write("b/c.rs", "fn f() -> crate::a::T {}\n");
    assert_eq!(circles(folder.path()), ["a → b::c → a"]);
    write("b/c.rs", "use super::super::a;\n");
    assert_eq!(circles(folder.path()), ["a → b::c → a"]);
    write("b/c.rs", "// crate::a is above\n");
    write("b.rs", "pub(crate) mod c;\nuse crate::a;\n");
    assert_eq!(circles(folder.path()), ["a → b → a"]);
}
