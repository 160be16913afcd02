//! `notify config`: shows and changes an application's settings, or imports those of the original system.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Client, Target};
use crate::env_file::{self, EnvFile, shown_name};
use crate::error::CliError;
use crate::print::{self, outln};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Import the original system's config.json and environment file as the application's settings
    Import(ImportArgs),
    /// Show the application's settings; secrets are masked
    Show(ShowArgs),
    /// Change settings, and leave the others as they are
    Set(SetArgs),
}

/// The settings to change.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify config set items_per_day=500\n  notify config set 'allowed_origins=[\"https://player.example.com\"]' reconcile_minutes=30"
)]
pub(crate) struct SetArgs {
    /// A setting by its name (`notify config show`), and its value: JSON, or a text; `null` removes it
    #[arg(required = true, value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notify config import --config config.json --env .env")]
pub(crate) struct ImportArgs {
    /// The original system's configuration, a JSON object
    #[arg(long)]
    config: PathBuf,
    /// Its environment file, `NAME=value` lines
    #[arg(long)]
    env: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    target: Target,
}

/// The keys of `config.json`. The settings have the same names.
const CONFIG_KEYS: [&str; 14] = [
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

/// The variables of the environment file, with the settings that they become.
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

/// Variables of the original system's databases, which are ignored. The last one belongs to its inbox.
const DATABASE_VARIABLES: [&str; 6] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_NAME",
    "SQLALCHEMY_DATABASE_URL",
];

/// The settings that the two files contain.
#[derive(Debug, Default, PartialEq)]
struct ImportedSettings {
    settings: Map<String, Value>,
    /// Variables that are ignored.
    ignored_variables: Vec<String>,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Import(it) => import(it, data, as_json).await,
        Command::Show(args) => {
            let settings = Client::open(args.target, data)?.get("/api/v1/Media/Settings").await?;
            show(&settings, as_json);
            Ok(())
        }
        Command::Set(it) => set(it, data, as_json).await,
    }
}

async fn set(args: SetArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let mut changes = Map::new();
    for pair in &args.settings {
        let pair = pair
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("`{pair}`: a setting is given as NAME=VALUE")))?;
        let value = serde_json::from_str(pair.1).unwrap_or_else(|_| json!(pair.1));
        changes.insert(pair.0.to_owned(), value);
    }
    let settings = update_settings(&Client::open(args.target, data)?, &changes).await?;
    show(&settings, as_json);
    Ok(())
}

/// Changes settings, and leaves the others as they are. Returns all settings.
async fn update_settings(client: &Client, changes: &Map<String, Value>) -> Result<Value, CliError> {
    let mut settings = client.get("/api/v1/Media/Settings").await?;
    for (name, value) in changes {
        settings[name] = value.clone();
    }
    let request = client.request(Method::PUT, "/api/v1/Media/Settings").json(&settings);
    client.send("storing the settings", request).await
}

async fn import(args: ImportArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let unreadable = |path: &Path, why: &dyn std::fmt::Display| CliError::Other(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(&args.config).map_err(|why| unreadable(&args.config, &why))?;
    let config = serde_json::from_str(&text).map_err(|why| unreadable(&args.config, &why))?;
    let mut files =
        ImportFiles { config_name: args.config.display().to_string(), text, config, ..ImportFiles::default() };
    if let Some(path) = &args.env {
        let text = std::fs::read_to_string(path).map_err(|why| unreadable(path, &why))?;
        files.env_name = path.display().to_string();
        files.env = env_file::parse(&text).map_err(|why| unreadable(path, &why))?;
        files.env.notes.iter().for_each(|it| print::note(&format!("{}: {it}", path.display())));
    }
    let imported = files.read().map_err(CliError::Other)?;
    let client = Client::open(args.target, data)?;
    let settings = update_settings(&client, &imported.settings).await.map_err(|error| match error {
        CliError::ErrorResponse { what, status, field: Some(field), reason } => {
            let what = files.location(&field).map_or(what.clone(), |place| format!("{place}: {what}"));
            CliError::ErrorResponse { what, status, field: Some(field), reason }
        }
        other => other,
    })?;
    show(&settings, as_json);
    let print_note = |text: &str| if as_json { print::note(text) } else { outln!("  {text}") };
    for name in &imported.ignored_variables {
        print_note(&format!("{name} is not used: everything is kept in DynamoDB, which has no such address"));
    }
    if let Some(level) = settings["log_level"].as_str() {
        let level = if level == "ALL" { "TRACE" } else { level };
        print_note(&format!(
            "LOG_LEVEL is a parameter of the deployment: sam deploy --parameter-overrides LogLevel={level}"
        ));
    }
    if settings["system_endpoint"].as_str() != Some(client.url.as_str()) {
        print_note(&format!("system_endpoint is where Iconik's webhooks go; this deployment is {}", client.url));
    }
    Ok(())
}

/// The two files to import, with their names.
#[derive(Default)]
struct ImportFiles {
    config_name: String,
    /// The text of the configuration.
    text: String,
    config: Value,
    env_name: String,
    env: EnvFile,
}

impl ImportFiles {
    /// The file and the line that give a setting.
    fn location(&self, field: &str) -> Option<String> {
        let setting = field.split(['.', '[']).next().unwrap_or(field);
        let variable = VARIABLES.iter().find(|it| it.1 == setting).and_then(|it| self.env.lines.get_key_value(it.0));
        match variable {
            Some((name, line)) => Some(format!("{}, line {line}: {name}", self.env_name)),
            None => self.config.get(setting).map(|_| self.line_of(setting)),
        }
    }

    /// The line of the configuration that has a key.
    fn line_of(&self, key: &str) -> String {
        let name = json!(key).to_string();
        let is_key =
            |line: &str| line.match_indices(&name).any(|(at, _)| line[at + name.len()..].trim_start().starts_with(':'));
        match self.text.lines().position(is_key) {
            Some(before) => format!("{}, line {}", self.config_name, before + 1),
            None => self.config_name.clone(),
        }
    }

    /// Reads both files. The error names all unknown keys.
    fn read(&self) -> Result<ImportedSettings, String> {
        let variables = &self.env.values;
        let config = self.config.as_object().ok_or_else(|| format!("{}: no JSON object", self.config_name))?;
        let is_known = |name: &str| {
            VARIABLES.iter().any(|it| it.0 == name) || DATABASE_VARIABLES.contains(&name) || name == DATACORE_SECRET
        };
        let variables_unknown = variables.keys().filter(|it| !is_known(it)).map(|name| {
            let line = self.env.lines.get(name).copied().unwrap_or_default();
            format!("{} ({}, line {line})", shown_name(name, line), self.env_name)
        });
        let keys_unknown = config.keys().filter(|it| !CONFIG_KEYS.contains(&it.as_str()));
        let keys_unknown = keys_unknown.map(|it| format!("{it} ({})", self.line_of(it)));
        let unknown: Vec<String> = keys_unknown.chain(variables_unknown).collect();
        if !unknown.is_empty() {
            return Err(format!("unknown keys: {}", unknown.join(", ")));
        }
        let mut imported = ImportedSettings::default();
        for (name, value) in config {
            let value = match (name.as_str(), value) {
                // a single system may be a text instead of a list
                ("system", Value::String(one)) => json!([one.to_lowercase()]),
                ("system", Value::Array(all)) => {
                    all.iter().map(|it| lowercase_text(it).replace([' ', '_', '-'], "")).collect()
                }
                (_, it) => it.clone(),
            };
            imported.settings.insert(name.clone(), value);
        }
        for (variable, setting) in VARIABLES {
            if let Some(value) = variables.get(variable).filter(|it| !it.is_empty()) {
                let value = if setting == "log_level" { value.to_uppercase() } else { value.clone() };
                imported.settings.insert(setting.to_owned(), Value::String(value));
            }
        }
        if let (Some(secret), Some(Value::String(token))) =
            (variables.get(DATACORE_SECRET), imported.settings.get("datacore_token"))
        {
            let pair = format!("{token}:{secret}");
            imported.settings.insert("datacore_token".to_owned(), Value::String(pair));
        }
        imported.ignored_variables =
            DATABASE_VARIABLES.iter().filter(|it| variables.contains_key(**it)).map(|it| (*it).to_owned()).collect();
        Ok(imported)
    }
}

fn lowercase_text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn show(settings: &Value, as_json: bool) {
    if as_json {
        outln!("{settings}");
        return;
    }
    print::heading("Settings");
    for (name, value) in settings.as_object().into_iter().flatten().filter(|it| !it.1.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        outln!("  {name:<28}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_hold_every_key_and_are_taken_as_they_stand() {
        let config: Value = serde_json::from_str(include_str!("../../../events/config.example.json")).unwrap();
        let file = env_file::parse(include_str!("../../../events/.env.example")).unwrap();
        for key in CONFIG_KEYS {
            assert!(config.get(key).is_some(), "config.example.json has no {key}");
        }
        for (name, _) in VARIABLES {
            assert!(file.values.contains_key(name), ".env.example has no {name}");
        }
        let read = ImportFiles { config, env: file, ..ImportFiles::default() }.read().unwrap();
        assert_eq!(read.ignored_variables, DATABASE_VARIABLES);
        assert_eq!(read.settings["log_level"], "ALL");
        assert_eq!(read.settings["datacore_token"], "access:secret");
    }

    fn files(text: &str, env: &str) -> ImportFiles {
        ImportFiles {
            config_name: "config.json".to_owned(),
            text: text.to_owned(),
            config: serde_json::from_str(text).unwrap(),
            env_name: ".env".to_owned(),
            env: env_file::parse(env).unwrap(),
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name_file_and_line() {
        let wrong = files("{\n  \"iconik_ulr\": \"x\",\n  \"system\": \"Iconik\"\n}", "\nLOG_LEVLE=ALL\nMII/hush==");
        let want = "unknown keys: iconik_ulr (config.json, line 2), LOG_LEVLE (.env, line 2), the name in line 3 (.env, line 3)";
        assert_eq!(wrong.read().unwrap_err(), want);
        assert_eq!(files("[]", "").read().unwrap_err(), "config.json: no JSON object");
        let systems = files(r#"{ "system": ["iconik", "Object Matrix"] }"#, "").read().unwrap();
        assert_eq!(systems.settings["system"], json!(["iconik", "objectmatrix"]));
    }

    #[test]
    fn a_setting_that_is_refused_has_a_place() {
        let files = files(
            "{\n  \"processor\": \"iconik_url\",\n  \"iconik_url\" : \"x\", \"no_of_threads\": 0\n}",
            "# of Iconik\nICONIK_APP_ID=a\nDATACORE_TOKEN=t",
        );
        for (field, want) in [
            ("iconik_url", Some("config.json, line 3")),
            ("no_of_threads", Some("config.json, line 3")),
            ("processor[0].name", Some("config.json, line 2")),
            ("iconik_app_id", Some(".env, line 2: ICONIK_APP_ID")),
            ("datacore_token", Some(".env, line 3: DATACORE_TOKEN")),
            ("items_per_day", None),
        ] {
            assert_eq!(files.location(field).as_deref(), want, "{field}");
        }
    }
}
