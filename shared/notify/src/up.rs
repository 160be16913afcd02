//! `notify up`: starts the local stack and prints its events.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Args as ClapArgs;
use local::demo::{self, Demo};
use local::{Options, Programs, Stack};
use tokio::sync::broadcast::error::RecvError;

use crate::error::CliError;
use crate::print::{self, outln};
use crate::project::{current_program, project_folder};
use crate::signals::shutdown_signal;
use crate::{console, hint};

/// How the stack starts.
#[derive(ClapArgs, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpArgs {
    /// The port of the API; by default 8000
    #[arg(long)]
    port: Option<u16>,
    /// Begin with empty data; files in the buckets' folders stay
    #[arg(long)]
    fresh: bool,
    /// Show every invocation with its duration and memory
    #[arg(long, short)]
    verbose: bool,
}

impl UpArgs {
    /// Adds the options that were given before the command. Those behind it win.
    pub(crate) fn merge(&mut self, preceding: &Self) {
        self.port = self.port.or(preceding.port);
        self.fresh |= preceding.fresh;
        self.verbose |= preceding.verbose;
    }
}

pub(crate) async fn run(args: UpArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let port = args.port.unwrap_or(hint::DEFAULT_PORT);
    let project = project_folder()?;
    let data = std::path::absolute(data).map_err(|it| CliError::Other(format!("{}: {it}", data.display())))?;
    let shutdown = shutdown_signal()?;
    let programs = Programs::AllInOne(current_program()?);
    let (parameters, call_log) = (BTreeMap::new(), None);
    let options = Options { project: project.clone(), programs, data, fresh: args.fresh, port, parameters, call_log };
    let stack = Stack::start(options).await?;
    let mut events = stack.events();
    let mut demo = demo::set_up(&stack).await?;
    let _workers = demo::set_up_processors(&stack, &project, &mut demo).await?;
    if json {
        outln!("{}", serde_json::to_string(&demo).unwrap_or_default());
    } else {
        print_welcome(&demo, stack.data(), &console::link_of_stack(stack.data(), &demo.url).await);
    }
    let (mut minute_timer, mut previous_meter) = (tokio::time::interval(Duration::from_secs(60)), stack.meter());
    minute_timer.tick().await;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = minute_timer.tick() => {
                let now = stack.meter();
                print::meter(&now.since(&previous_meter), json);
                previous_meter = now;
            }
            event = events.recv() => match event {
                Ok(it) if json => print::event_json(&it, args.verbose),
                Ok(it) => print::event(&it, args.verbose),
                Err(RecvError::Lagged(missed)) => print::note(&format!("({missed} lines are not shown)")),
                Err(RecvError::Closed) => break,
            },
        }
    }
    print::note(&format!("stopped; `{}` goes on where this ended", hint::up_command(port)));
    Ok(())
}

fn print_welcome(demo: &Demo, data: &Path, console: &str) {
    print::heading(&format!("The stack is up at {}", demo.url));
    print::field("console, once", console);
    print::field("description", &format!("{}/docs", demo.url));
    print::field("application", &demo.application_id);
    print::field("x-api-key", &demo.api_key);
    print::field("x-api-secret", &demo.api_secret);
    for bucket in &demo.buckets {
        print::field(&bucket.name, &bucket.folder.display().to_string());
    }
    print::field("Iconik stand-in", &demo.iconik.folder.display().to_string());
    print::field("Stripe stand-in", &demo.stripe.url);
    for processor in &demo.processors {
        let install = hint::command("processors install");
        let state = processor.missing.as_ref().map_or(processor.url.clone(), |_| format!("not installed; {install}"));
        print::field(&processor.name, &state);
    }
    print::field("all of this", &data.join("stack.json").display().to_string());
    print::heading("What next");
    outln!("  {:<36}  in a second terminal: a webhook receiver", hint::command("receive --port 9000"));
    outln!("  drop a photo or a video with people into one of these folders");
    outln!("  {:<36}  or wait for the next minute", hint::command("scan datacore-demo"));
    outln!("  Ctrl-C stops; nothing is lost");
}
