//! What can go wrong for a user of the program, with what to do next.

/// Every failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Stack(#[from] local::StackError),
    #[error("the functions could not be built; the compiler's messages stand above")]
    Build,
    #[error("could not run cargo; is Rust installed?")]
    NoCargo(#[source] std::io::Error),
    #[error("no template.yaml here; run notify in the project's folder")]
    NoProject,
    #[error("{url} does not answer{advice}")]
    Unreachable { url: String, advice: String, source: reqwest::Error },
    #[error("{what} was answered with {status}: {reason}")]
    Answer { what: String, status: u16, reason: String },
    #[error("the scan failed: {0}")]
    Scan(String),
    #[error("there is no bucket `{0}`; those there are: {1}")]
    NoBucket(String, String),
    #[error("several buckets are called `{0}`; name one by its id: {1}")]
    Buckets(String, String),
    #[error("port {0} is taken; choose another with --port")]
    PortTaken(u16),
    #[error("could not read the queues")]
    Queues(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("there are no dead letters called `{0}`; those there are: {1}")]
    NoLetters(String, String),
    #[error(
        "{count} dead letters of `{kind}` are there and could not be had: somebody else looks at them. Try again in a minute"
    )]
    HeldLetters { kind: String, count: u64 },
    #[error("{0}")]
    Other(String),
}
