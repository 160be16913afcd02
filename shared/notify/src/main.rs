//! `notify`: starts the local stack, and calls its API or that of a deployment.

mod app;
mod application_letters;
mod bench;
mod billing;
mod bucket;
mod channel;
mod client;
mod config;
mod console;
mod cost;
mod dead_letters;
mod deployment;
mod discard;
mod doctor;
mod env_file;
mod error;
mod functions;
mod hint;
mod iconik;
mod inbox;
mod item;
mod json;
mod key;
mod letter_target;
mod listen;
mod oma;
mod print;
mod processors;
mod project;
mod publish;
mod queues;
mod receive;
mod redrive;
mod scan;
mod signals;
mod socket_client;
mod up;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::error::CliError;

/// Notifications API: finds new media, analyses it, and notifies.
///
/// Without a command it starts the local stack (`notify up`).
#[derive(Parser)]
#[command(name = "notify", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::UpArgs,
    /// The local stack's data folder; by default that of the variable NOTIFY_DATA, or `.local` in the project
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Print JSON for scripts, one value per line; messages for people go to standard error
    #[arg(long, global = true)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  notify                               start the local stack at http://127.0.0.1:8000
  notify up --port 8080 --fresh        on another port, with empty data
  notify scan datacore-demo            scan the demo bucket now and show what it finds
  notify receive --port 9000           run a webhook receiver: add a channel, verify, print
  notify console                       print a link that opens the console, signed in
  notify bucket list                   buckets, with the result of their last scan
  notify bucket pause rushes           stop scheduled scans; `resume` starts them again
  notify reprocess itm_0f8f…           process an item again
  notify app create newsroom --faces --by 'J. Doe'
                                       create an application and show its keys, once
  notify key create player --scope inbox
                                       create a key for inboxes alone
  notify channel test 0f8fad5b-…       send a test message and show its delivery
  notify billing show                  show subscriptions, limits, and what was used
  notify config import --config config.json --env .env
                                       import an existing configuration
  notify config set items_per_day=500  change a setting
  notify iconik ensure-webhook         create or repair the webhooks at Iconik
  notify publish --type order.paid --data @order.json --watch
                                       publish an event of your own, and follow its deliveries
  notify processors install            install the worked examples of processors
  notify send --user 123 --title Hello send a notification to a user's inbox
  notify listen --user 123             print a user's notifications as they arrive
  notify dead-letters                  show messages that could not be handled, and why
  notify queues                        show how many messages each queue holds
  notify redrive webhook               send the webhooks' dead letters back to their queue
  notify completions bash              shell completions

With --url, --application-id, --api-key and --api-secret (or NOTIFY_URL and so on) a command calls a deployment;
without them, to the local stack's demo application.

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

#[derive(Subcommand)]
enum Command {
    /// Start the local stack
    Up(up::UpArgs),
    /// Scan a bucket now and show what it finds
    Scan(scan::ScanArgs),
    /// Process an item again
    Reprocess(item::ReprocessArgs),
    /// Erase the results of an item, or of all items of the application, with the faces in them
    Erase(item::EraseArgs),
    /// Run a webhook receiver: add it as a channel, verify each signature, print each message
    Receive(receive::ReceiveArgs),
    /// Manage the buckets that are scanned
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Manage applications
    #[command(subcommand)]
    App(app::Command),
    /// Manage an application's keys
    #[command(subcommand)]
    Key(key::Command),
    /// Manage channels, and show deliveries to them
    #[command(subcommand)]
    Channel(channel::Command),
    /// Show the plans that are sold, and what the application has of them
    #[command(subcommand)]
    Billing(billing::Command),
    /// Show, change or import the application's settings
    #[command(subcommand)]
    Config(config::Command),
    /// Print a link that opens the console in a browser, signed in
    Console(console::ConsoleArgs),
    /// Manage the connection to Iconik
    #[command(subcommand)]
    Iconik(iconik::Command),
    /// Publish an event of the application's own to its channels
    Publish(publish::PublishArgs),
    /// Send and show messages of an OMA message store
    #[command(subcommand)]
    Message(oma::MessageCommand),
    /// Open OMA notification channels, and watch what a message store tells
    #[command(subcommand)]
    Oma(oma::OmaCommand),
    /// Show and install the worked examples of external processors
    #[command(subcommand)]
    Processors(processors::Command),
    /// Send a notification to a user's inbox
    Send(inbox::SendArgs),
    /// Print a user's notifications as they arrive; resume after a dropped connection
    Listen(listen::ListenArgs),
    /// Send the three mock events of the original system
    MockEvents(inbox::MockArgs),
    /// Show messages that could not be handled, and why
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Show how many messages each queue and each dead-letter queue holds
    Queues(queues::QueueTarget),
    /// Send dead letters back to their queue
    Redrive(redrive::RedriveArgs),
    /// Delete dead letters that nobody wants any more
    Discard(discard::DiscardArgs),
    /// Check a deployment from end to end: queues, keys, a socket, a webhook, a scan
    Doctor(doctor::DoctorArgs),
    /// Print what the application did on the last days, by path, and its list price
    Cost(cost::CostArgs),
    /// Measure: init, warm invocations and sizes of the functions; the cost of a scan; latencies of inboxes and sockets
    #[command(subcommand)]
    Bench(bench::Command),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  notify completions bash > /etc/bash_completion.d/notify")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    // checked first: a function has its own runtime and arguments, and starts often
    match functions::requested_function(std::env::args_os()) {
        Some(name) => functions::run(&name),
        None => command_line(),
    }
}

#[tokio::main]
async fn command_line() -> ExitCode {
    drop(rustls::crypto::ring::default_provider().install_default()); // no other provider can be installed yet
    let mut cli = Cli::parse();
    match &mut cli.command {
        Some(Command::Up(args)) => args.merge(&cli.up),
        Some(_) if cli.up != up::UpArgs::default() => {
            let text = "--port, --fresh and --verbose before a command are options of `up`; give this command's own options behind it";
            Cli::command().error(ErrorKind::ArgumentConflict, text).exit()
        }
        _ => {}
    }
    // of `publish` it is the event's data; clap knows one argument of a name
    let is_event = matches!(cli.command, Some(Command::Publish(_)));
    let data = hint::data_folder(cli.data.clone().filter(|_| !is_event).or_else(hint::folder_of_environment));
    // commands that run until they are stopped handle that themselves, because they clean up
    let runs_until_stopped = matches!(cli.command, None | Some(Command::Up(_) | Command::Receive(_)));
    let outcome = if runs_until_stopped {
        run(cli, &data).await
    } else {
        tokio::select! {
            outcome = run(cli, &data) => outcome,
            () = print::output_closed() => Ok(()),
        }
    };
    let outcome = match print::write_error() {
        Some(why) => outcome.and(Err(CliError::Other(format!("the output could not be written: {why}")))),
        None => outcome,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(cli: Cli, data: &Path) -> Result<(), CliError> {
    let json = cli.json;
    match cli.command {
        None => up::run(cli.up, data, json).await,
        Some(Command::Up(args)) => up::run(args, data, json).await,
        Some(Command::Reprocess(args)) => item::reprocess(args, data, json).await,
        Some(Command::Erase(args)) => item::erase(args, data, json).await,
        Some(Command::Queues(target)) => queues::run(target, data, json).await,
        Some(Command::Scan(args)) => scan::run(args, data, json).await,
        Some(Command::Receive(args)) => receive::run(args, data, json).await,
        Some(Command::Bucket(command)) => bucket::run(command, data, json).await,
        Some(Command::App(command)) => app::run(command, data, json).await,
        Some(Command::Key(command)) => key::run(command, data, json).await,
        Some(Command::Channel(command)) => channel::run(command, data, json).await,
        Some(Command::Billing(command)) => billing::run(command, data, json).await,
        Some(Command::Config(command)) => config::run(command, data, json).await,
        Some(Command::Console(args)) => console::run(args, data, json).await,
        Some(Command::Iconik(command)) => iconik::run(command, data, json).await,
        Some(Command::Publish(args)) => publish::run(args, data, json).await,
        Some(Command::Message(command)) => oma::message(command, data, json).await,
        Some(Command::Oma(command)) => oma::run(command, data, json).await,
        Some(Command::Processors(command)) => processors::run(command, json).await,
        Some(Command::Send(args)) => inbox::send(args, data, json).await,
        Some(Command::Listen(args)) => listen::run(args, data, json).await,
        Some(Command::MockEvents(args)) => inbox::mock(args, data, json).await,
        Some(Command::DeadLetters(args)) => dead_letters::run(args, data, json).await,
        Some(Command::Redrive(args)) => redrive::run(args, data, json).await,
        Some(Command::Discard(args)) => discard::run(args, data, json).await,
        Some(Command::Doctor(args)) => doctor::run(args, data, json).await,
        Some(Command::Cost(args)) => cost::run(args, data, json).await,
        Some(Command::Bench(command)) => bench::run(command, json).await,
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "notify", &mut script);
            print::raw(&script);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command below one, by its path.
    fn collect_commands(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        let path = format!("{path} {}", command.get_name());
        command.get_subcommands().for_each(|it| collect_commands(it, &path, found));
        found.push((path, command.clone()));
    }

    #[test]
    fn every_command_and_every_argument_has_a_help_text() {
        let mut root = Cli::command();
        root.build();
        root.clone().debug_assert();
        let (mut found, mut undocumented, mut arguments) = (Vec::new(), Vec::new(), 0);
        collect_commands(&root, "", &mut found);
        for (path, command) in &found {
            if command.get_about().is_none_or(|it| it.to_string().trim().is_empty()) {
                undocumented.push(path.clone());
            }
            for argument in command.get_arguments() {
                arguments += 1;
                if argument.get_help().is_none_or(|it| it.to_string().trim().is_empty()) {
                    undocumented.push(format!("{path}: {}", argument.get_id()));
                }
            }
        }
        assert!(found.len() > 30 && arguments > 100, "{} commands, {arguments} arguments", found.len());
        assert_eq!(undocumented, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_is_refused_as_an_argument() {
        let exit = |arguments: &[&str]| match Cli::try_parse_from([&["notify"], arguments].concat()) {
            Ok(_) => 0,
            Err(why) => why.exit_code(),
        };
        for wrong in [
            &["listen", "--user", "1", "--count", "0"][..],
            &["listen", "--user", ""],
            &["bench", "functions", "--starts", "0"],
            &["dead-letters", "--most", "0"],
            &["discard", "webhook"],
            &["erase"],
            &["erase", "itm_0", "--all"],
            &["key", "create", "a", "--scope", "everything"],
            &["key", "rotate", "a", "--overlap", "604801"],
            &["bucket", "add", "a", "--system", "nas"],
            &["iconik", "backfill", "--since", "yesterday"],
            &["channel", "replay", "a", "--since", "2026-11-21"],
            &["channel", "replay", "a"],
            &["config", "set"],
            &["dance"],
        ] {
            assert_eq!(exit(wrong), 2, "{wrong:?}");
        }
        for right in [
            &["listen", "--user", "1", "--count", "1"][..],
            &["key", "create", "a", "--scope", "channels:reveal", "--scope", "media"],
            &["key", "rotate", "a", "--overlap", "604800"],
            &["bucket", "add", "a", "--system", "objectmatrix"],
            &["iconik", "backfill", "--since", "2026-11-01T00:00:00Z", "--until", "2026-11-02T00:00:00+01:00"],
        ] {
            assert_eq!(exit(right), 0, "{right:?}");
        }
    }

    #[test]
    fn wrong_arguments_exit_with_2_and_everything_else_with_1() {
        for (error, want) in [
            (CliError::Usage("x".to_owned()), 2),
            (CliError::UnknownDeadLetters("x".to_owned(), "scan".to_owned()), 2),
            (CliError::Other("x".to_owned()), 1),
            (CliError::ProjectNotFound, 1),
            (CliError::PortInUse(1), 1),
            (CliError::ErrorResponse { what: "x".to_owned(), status: 422, field: None, reason: "y".to_owned() }, 1),
        ] {
            assert_eq!(error.exit_code(), want, "{error}");
        }
    }
}
