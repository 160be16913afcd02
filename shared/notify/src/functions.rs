//! The functions that this program holds: the local stack starts it with `function NAME` for each of their processes.

use std::ffi::OsString;
use std::process::{ExitCode, Termination};

/// Runs a function until its stack stops it.
type FunctionMain = fn() -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The name of the function that the arguments select, if they do. The first argument is the program's own name.
pub(crate) fn requested_function(mut arguments: impl Iterator<Item = OsString>) -> Option<String> {
    if arguments.nth(1)? == local::FUNCTION_ARGUMENT { arguments.next()?.into_string().ok() } else { None }
}

/// Runs a function by its name: the last part of its `CodeUri` in the template.
pub(crate) fn run(name: &str) -> ExitCode {
    let function: FunctionMain = match name {
        "billing-api" => ::billing_api::run,
        "billing-sync" => ::billing_sync::run,
        "channels-api" => ::channels_api::run,
        "console-api" => ::console_api::run,
        "connections-api" => ::connections_api::run,
        "deliver-amqp" => ::deliver_amqp::run,
        "deliver-nms" => ::deliver_nms::run,
        "deliver-push" => ::deliver_push::run,
        "deliver-signalr" => ::deliver_signalr::run,
        "deliver-webhook" => ::deliver_webhook::run,
        "dispatch" => ::dispatch::run,
        "docs-api" => ::docs_api::run,
        "iconik-ingest" => ::iconik_ingest::run,
        "iconik-webhook" => ::iconik_webhook::run,
        "images-api" => ::images_api::run,
        "inbox-api" => ::inbox_api::run,
        "messages-api" => ::messages_api::run,
        "operations-api" => ::operations_api::run,
        "oma-api" => ::oma_api::run,
        "media-api" => ::media_api::run,
        "process" => ::process::run,
        "processor-callback" => ::processor_callback::run,
        "render-image" => ::render_image::run,
        "scan" => ::scan::run,
        "socket" => ::socket::run,
        "sweep" => ::sweep::run,
        _ => return Err::<(), String>(format!("this program holds no function {name}")).report(),
    };
    function().report()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_argument_makes_it_a_function() {
        let requested = |line: &str| requested_function(line.split(' ').map(OsString::from));
        assert_eq!(requested("notify function scan"), Some("scan".to_owned()));
        for line in ["notify", "notify function", "notify scan function", "notify --json function scan"] {
            assert_eq!(requested(line), None, "{line}");
        }
    }
}
