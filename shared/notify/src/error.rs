//! The errors of commands. Their texts say what to do next.

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Stack(#[from] local::StackError),
    #[error("the functions could not be built; see the compiler's messages above")]
    BuildFailed,
    #[error("could not run cargo; is Rust installed?")]
    CargoUnavailable(#[source] std::io::Error),
    #[error("no template.yaml here; run notify in the project's folder")]
    ProjectNotFound,
    #[error("{url} does not answer{advice}")]
    Unreachable { url: String, advice: String, source: reqwest::Error },
    #[error("{what} was answered with {status}: {reason}")]
    ErrorResponse {
        what: String,
        status: u16,
        /// The field that is wrong, if the API names one. The reason names it as well.
        field: Option<String>,
        reason: String,
    },
    #[error(
        "{url} does not take the keys in {} any more: they were replaced or revoked since. Put the new ones there (`api_key` and `api_secret`), or give them with --url, --application-id, --api-key and --api-secret; `{fresh}` begins anew, with empty data",
        .path.display()
    )]
    SavedKeysRejected { url: String, path: std::path::PathBuf, fresh: String },
    #[error("the scan failed: {0}")]
    ScanFailed(String),
    #[error("there is no bucket `{0}`; those there are: {1}")]
    BucketNotFound(String, String),
    #[error("several buckets are called `{0}`; name one by its id: {1}")]
    AmbiguousBucket(String, String),
    #[error("port {0} is taken; choose another with --port")]
    PortInUse(u16),
    #[error("the stack `{stack}`: {what}")]
    Deployment { stack: String, what: String },
    #[error("there are no AWS credentials to use: set AWS_PROFILE, or sign in (`aws sso login`)")]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("could not read the queues")]
    Queues(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("there are no dead letters called `{0}`; those there are: {1}")]
    UnknownDeadLetters(String, String),
    #[error("{count} dead letters of `{kind}` could not be received: another consumer has them. Try again in a minute")]
    DeadLettersInFlight { kind: String, count: u64 },
    /// A wrong argument that clap could not detect.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// The exit code: 2 for wrong arguments, as clap has it, and 1 for everything else.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_) | Self::UnknownDeadLetters(..)) { 2 } else { 1 }
    }
}
