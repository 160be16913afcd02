//! `notify config`: an application's settings, from the seed's two files or shown.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Client, Target};
use crate::env_file::{self, EnvFile, shown};
use crate::error::CliError;
use crate::print::{self, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Take a config.json and an environment file as they stand, and store them as the application's settings
    Import(Import),
    /// Show the application's settings; secrets are masked
    Show(Show),
    /// Change settings, and leave the others as they are
    Set(Set),
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify config set items_per_day=500\n  notify config set 'allowed_origins=[\"https://player.example.com\"]' reconcile_minutes=30"
)]
pub(crate) struct Set {
    /// JSON, or a text
    #[arg(required = true, value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notify config import --config config.json --env .env")]
pub(crate) struct Import {
    /// The configuration, JSON
    #[arg(long)]
    config: PathBuf,
    /// The environment file, `NAME=value` lines
    #[arg(long)]
    env: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    target: Target,
}

/// The keys of `config.json`, which are settings of the same name.
const KEYS: [&str; 14] = [
    "system",
    "system_endpoint",
    "iconik_url",
    "datacore_endpoint",
    "sqs_queue_url",
    "aws_region",
    "single_webhook",
    "webhook_name",
    "processor",
    "temp_folder",
    "no_of_threads",
    "video_file_types",
    "audio_file_types",
    "image_file_types",
];

/// The variables of the environment file, and the settings that they are.
const VARIABLES: [(&str, &str); 7] = [
    ("AWS_ACCESS_KEY", "aws_access_key"),
    ("AWS_SECRET_KEY", "aws_secret_key"),
    ("DATACORE_ENDPOINT", "datacore_endpoint"),
    ("DATACORE_TOKEN", "datacore_token"),
    ("LOG_LEVEL", "log_level"),
    ("ICONIK_APP_ID", "iconik_app_id"),
    ("ICONIK_ACCESS_TOKEN", "iconik_access_token"),
];

/// The second half of Swarm's key, where it is not part of `DATACORE_TOKEN`.
const DATACORE_SECRET: &str = "DATACORE_SECRET";

/// Variables without a meaning: DynamoDB has neither host nor password. The last one is that of the original's inbox.
const DATABASE: [&str; 6] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_NAME",
    "SQLALCHEMY_DATABASE_URL",
];

/// What two files become.
#[derive(Debug, Default, PartialEq)]
struct Read {
    settings: Map<String, Value>,
    /// Variables that have no meaning any more.
    passed_over: Vec<String>,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Import(it) => import(it, data, as_json).await,
        Command::Show(it) => {
            let settings = Client::open(it.target, data)?.get("/api/v1/Media/Settings").await?;
            show(&settings, as_json);
            Ok(())
        }
        Command::Set(it) => set(it, data, as_json).await,
    }
}

async fn set(it: Set, data: &Path, as_json: bool) -> Result<(), CliError> {
    let mut given = Map::new();
    for pair in &it.settings {
        let pair =
            pair.split_once('=').ok_or_else(|| CliError::Other("a setting is given as NAME=VALUE".to_owned()))?;
        let value = serde_json::from_str(pair.1).unwrap_or_else(|_| json!(pair.1));
        given.insert(pair.0.to_owned(), value);
    }
    let settings = store(&Client::open(it.target, data)?, &given).await?;
    show(&settings, as_json);
    Ok(())
}

/// Stores settings, and leaves the others as they are.
async fn store(client: &Client, given: &Map<String, Value>) -> Result<Value, CliError> {
    let mut settings = client.get("/api/v1/Media/Settings").await?;
    for (name, value) in given {
        settings[name] = value.clone();
    }
    let request = client.request(Method::PUT, "/api/v1/Media/Settings").json(&settings);
    client.ask("storing the settings", request).await
}

async fn import(it: Import, data: &Path, as_json: bool) -> Result<(), CliError> {
    let unreadable = |path: &Path, why: &dyn std::fmt::Display| CliError::Other(format!("{}: {why}", path.display()));
    let config = std::fs::read(&it.config).map_err(|why| unreadable(&it.config, &why))?;
    let config: Value = serde_json::from_slice(&config).map_err(|why| unreadable(&it.config, &why))?;
    let mut file = EnvFile::default();
    if let Some(path) = &it.env {
        let text = std::fs::read_to_string(path).map_err(|why| unreadable(path, &why))?;
        file = env_file::parse(&text).map_err(|why| unreadable(path, &why))?;
        file.notes.iter().for_each(|it| print::note(&format!("{}: {it}", path.display())));
    }
    let read = read(&config, &file).map_err(CliError::Other)?;
    let client = Client::open(it.target, data)?;
    let settings = store(&client, &read.settings).await?;
    show(&settings, as_json);
    let tell = |text: &str| if as_json { print::note(text) } else { say!("  {text}") };
    for name in &read.passed_over {
        tell(&format!("{name} is not used: everything is kept in DynamoDB, which has no such address"));
    }
    if let Some(level) = settings["log_level"].as_str() {
        let level = if level == "ALL" { "TRACE" } else { level };
        tell(&format!("LOG_LEVEL is a parameter of the deployment: sam deploy --parameter-overrides LogLevel={level}"));
    }
    if settings["system_endpoint"].as_str() != Some(client.url.as_str()) {
        tell(&format!("system_endpoint is where Iconik's webhooks go; this deployment is {}", client.url));
    }
    Ok(())
}

/// Reads both files; unknown names are refused, all at once.
fn read(config: &Value, file: &EnvFile) -> Result<Read, String> {
    let variables = &file.values;
    let config = config.as_object().ok_or("the configuration is no JSON object")?;
    let known =
        |name: &str| VARIABLES.iter().any(|it| it.0 == name) || DATABASE.contains(&name) || name == DATACORE_SECRET;
    let line = |name: &String| file.lines.get(name).copied().unwrap_or_default();
    let variables_unknown =
        variables.keys().filter(|it| !known(it)).map(|it| format!("{} (line {})", shown(it, line(it)), line(it)));
    let unknown: Vec<String> =
        config.keys().filter(|it| !KEYS.contains(&it.as_str())).cloned().chain(variables_unknown).collect();
    if !unknown.is_empty() {
        return Err(format!("unknown keys: {}", unknown.join(", ")));
    }
    let mut read = Read::default();
    for (name, value) in config {
        let value = match (name.as_str(), value) {
            // one system may stand there without a list
            ("system", Value::String(one)) => json!([one.to_lowercase()]),
            ("system", Value::Array(all)) => all.iter().map(|it| lower(it).replace([' ', '_', '-'], "")).collect(),
            (_, it) => it.clone(),
        };
        read.settings.insert(name.clone(), value);
    }
    for (variable, setting) in VARIABLES {
        if let Some(value) = variables.get(variable).filter(|it| !it.is_empty()) {
            let value = if setting == "log_level" { value.to_uppercase() } else { value.clone() };
            read.settings.insert(setting.to_owned(), Value::String(value));
        }
    }
    if let (Some(secret), Some(Value::String(token))) =
        (variables.get(DATACORE_SECRET), read.settings.get("datacore_token"))
    {
        let pair = format!("{token}:{secret}");
        read.settings.insert("datacore_token".to_owned(), Value::String(pair));
    }
    read.passed_over = DATABASE.iter().filter(|it| variables.contains_key(**it)).map(|it| (*it).to_owned()).collect();
    Ok(read)
}

fn lower(it: &Value) -> String {
    it.as_str().unwrap_or_default().to_lowercase()
}

fn show(settings: &Value, as_json: bool) {
    if as_json {
        say!("{settings}");
        return;
    }
    print::heading("Settings");
    for (name, value) in settings.as_object().into_iter().flatten().filter(|it| !it.1.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say!("  {name:<28}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_hold_every_key_and_are_taken_as_they_stand() {
        let config: Value = serde_json::from_str(include_str!("../../../events/config.example.json")).unwrap();
        let file = env_file::parse(include_str!("../../../events/.env.example")).unwrap();
        for key in KEYS {
            assert!(config.get(key).is_some(), "config.example.json has no {key}");
        }
        for (name, _) in VARIABLES {
            assert!(file.values.contains_key(name), ".env.example has no {name}");
        }
        let read = read(&config, &file).unwrap();
        assert_eq!(read.passed_over, DATABASE);
        assert_eq!(read.settings["log_level"], "ALL");
        assert_eq!(read.settings["datacore_token"], "access:secret");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let file = env_file::parse("\nLOG_LEVLE=ALL\nMII/hush==").unwrap();
        let error = read(&json!({ "iconik_ulr": "x", "system": "Iconik" }), &file).unwrap_err();
        assert_eq!(error, "unknown keys: iconik_ulr, LOG_LEVLE (line 2), the name in line 3 (line 3)");
        let systems = read(&json!({ "system": ["iconik", "Object Matrix"] }), &EnvFile::default()).unwrap();
        assert_eq!(systems.settings["system"], json!(["iconik", "objectmatrix"]));
    }
}
