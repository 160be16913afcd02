//! A RabbitMQ broker on a port of its own, from Debian's package `rabbitmq-server`, for those who try a channel to a broker
//! or test one. The stack itself needs none.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::process::{Child, Command};

use crate::clock::pause;
use crate::error::StackError;

/// Where Debian's package has its programs.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
const CONNECT_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);

/// A running broker. Its data is in a folder, and stays there when it is stopped or killed. Dropping it kills it.
pub struct RabbitMq {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl RabbitMq {
    /// Whether the package is there.
    pub fn is_installed() -> bool {
        Path::new(PROGRAMS).is_dir()
    }

    /// Starts a broker with what its folder holds, on this port, or on any free one. Returns when it accepts connections.
    pub async fn start(folder: &Path, port: Option<u16>) -> Result<Self, StackError> {
        // its programs run in the folder, where a relative path would begin anew
        let folder = std::path::absolute(folder)
            .map_err(|it| StackError::Unwritable { path: folder.to_owned(), source: it.into() })?;
        let mut broker = Self { folder, port: port.unwrap_or_else(free_port), child: None };
        broker.run().await?;
        Ok(broker)
    }

    /// The URL of the broker, without credentials (`guest`, `guest`).
    pub fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{PROGRAMS}/{program}"));
        // what it leaves behind when it is stopped in the middle, it leaves there
        command
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("RABBITMQ_NODENAME", format!("notify{}@localhost", self.port));
        command.env("RABBITMQ_NODE_PORT", self.port.to_string()).env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_DIST_PORT", (self.port + 1).to_string());
        command.env("RABBITMQ_MNESIA_BASE", self.folder.join("data")).env("RABBITMQ_LOG_BASE", self.folder.join("log"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", self.folder.join("plugins")).env("RABBITMQ_LOGS", "-");
        command.env("RABBITMQ_SERVER_START_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the broker again, with what it kept.
    pub async fn run(&mut self) -> Result<(), StackError> {
        let failed = |it: std::io::Error| StackError::Demo(format!("RabbitMQ does not start: {it}"));
        self.child = Some(self.command("rabbitmq-server").spawn().map_err(failed)?);
        // the port opens before the node is known by its name
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err()
            || self.control(&["await_startup"]).await.is_err()
        {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose().map_err(failed)?.flatten() {
                return Err(StackError::Demo(format!("RabbitMQ has ended: {status}")));
            }
            pause(CONNECT_INTERVAL).await;
        }
        Ok(())
    }

    /// Stops the broker, as an operator does.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        self.control(&["stop"]).await?;
        self.reap().await;
        Ok(())
    }

    /// Kills the broker, as a lost machine would.
    pub async fn kill(&mut self) {
        self.kill_group();
        self.reap().await;
    }

    async fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.wait().await); // it has ended either way
        }
    }

    /// Runs `rabbitmqctl`.
    pub async fn control(&self, arguments: &[&str]) -> Result<(), StackError> {
        let status = self.command("rabbitmqctl").args(arguments).status().await;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(StackError::Demo(format!("rabbitmqctl {arguments:?}: {status}"))),
            Err(error) => Err(StackError::Demo(format!("rabbitmqctl does not run: {error}"))),
        }
    }

    /// Its server is a child of the script that was started, in the same process group.
    fn kill_group(&self) {
        if let Some(group) = self.child.as_ref().and_then(Child::id) {
            // without `--` the program of Debian's procps 4.0.2 takes the group for an option, and says nothing
            drop(std::process::Command::new("kill").args(["-s", "KILL", "--", &format!("-{group}")]).status());
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Two ports in a row that are free, below those that the system gives away itself (32768 and up, Linux): a broker that is
/// stopped finds its port free when it comes back, whoever connects to whom meanwhile.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap_or_default() * 2;
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = (0..1_000).map(|_| first + NEXT.fetch_add(2, Ordering::Relaxed));
    ports.find(|it| free(*it) && free(*it + 1)).unwrap_or(first)
}
