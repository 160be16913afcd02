//! Whose dead letters: a deployment's, an application's, or the local stack's with those of its demo application.

use std::path::Path;

use clap::Args;
use domain::dead_letter::DeadLetterKind;

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::queues::{QueueTarget, Queues};

/// With `--stack` the deployment's queues. With an address and keys the application's: its letters in the queues, and what its
/// receivers did not take.
#[derive(Args, Clone, Debug)]
pub(crate) struct LetterTarget {
    #[command(flatten)]
    queues: QueueTarget,
    #[command(flatten)]
    application: Target,
}

/// Where the letters are.
pub(crate) struct LetterSources {
    pub(crate) queues: Option<Queues>,
    pub(crate) application: Option<Client>,
}

impl LetterTarget {
    /// The option `--stack` as it was given, for a suggested command.
    pub(crate) fn option(&self) -> String {
        self.queues.option()
    }

    pub(crate) async fn open(self, data: &Path) -> Result<LetterSources, CliError> {
        let deployed = self.queues.is_deployment();
        if !deployed && self.application.is_given() {
            return Ok(LetterSources { queues: None, application: Some(Client::open(self.application, data)?) });
        }
        let queues = Queues::open(self.queues, data).await?;
        let demo = if deployed { None } else { Some(Client::open(Target::default(), data)?) };
        Ok(LetterSources { queues: Some(queues), application: demo })
    }
}

impl LetterSources {
    /// All kinds of dead letters, or the requested one. An unknown kind is an error.
    pub(crate) fn kinds(&self, requested: Option<&str>) -> Result<Vec<String>, CliError> {
        if let Some(queues) = &self.queues {
            return queues.kinds(requested);
        }
        let all = DeadLetterKind::ALL.map(DeadLetterKind::name);
        match requested {
            None => Ok(all.map(str::to_owned).into()),
            Some(it) if all.contains(&it) => Ok(vec![it.to_owned()]),
            Some(it) => Err(CliError::UnknownDeadLetters(it.to_owned(), all.join(", "))),
        }
    }

    /// The application whose letters of a kind are asked for at the API; with the queues at hand, those alone that are in none.
    pub(crate) fn application(&self, kind: &str) -> Option<&Client> {
        let kind: DeadLetterKind = kind.parse().ok()?;
        self.application.as_ref().filter(|_| self.queues.is_none() || kind.channel_kind().is_some())
    }

    /// Whether a letter at the API is in none of the queues that are at hand. Deliveries whose attempts are used up have ids
    /// with a `~`.
    pub(crate) fn is_shown(&self, id: &str) -> bool {
        self.queues.is_none() || id.contains('~')
    }
}
