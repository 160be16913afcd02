//! Copies the face model out of the package `rustface`, and checks its SHA-256.

use std::path::Path;
use std::process::Command;

const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = Path::new(&variable("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    // offline first: the packages are there already, unless this is the first build and only a part of them was fetched
    let ask = |network: &[&str]| {
        let mut ask = Command::new(variable("CARGO"));
        ask.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &variable("TARGET")]);
        ask.args(network).arg("--manifest-path").arg(&manifest).output()
    };
    let mut answer = ask(&["--offline"])?;
    if !answer.status.success() {
        answer = ask(&[])?;
    }
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned().into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&answer.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let package = packages.iter().find(|it| it["name"] == "rustface").ok_or("rustface is not among the packages")?;
    let folder =
        Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent().ok_or("rustface has no folder")?;
    let model = std::fs::read(folder.join(MODEL))?;
    let hash: String =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &model))
            .iter()
            .map(|it: &u8| format!("{it:02x}"))
            .collect();
    if hash != include_str!("src/processor/model.sha256").trim() {
        return Err(format!("the face model has another hash: {hash}").into());
    }
    std::fs::write(Path::new(&variable("OUT_DIR")).join("faces.bin"), model)?;
    Ok(())
}
