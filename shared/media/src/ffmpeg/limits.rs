//! Resource limits of a program that decodes untrusted files.

use std::thread::available_parallelism;
use std::time::Duration;

use domain::item::Problem;
use tokio::process::Child;

use crate::error::MediaError;

/// Limits a program that has just been started and has not opened its input yet. `memory`, in bytes, limits its private
/// writable mappings (`RLIMIT_DATA`, which counts them since Linux 4.7). It may write to pipes and to no file. Its CPU
/// time, that of all cores until the deadline, ends it should it outlive this function.
///
/// # Errors
/// `Failed` with `backend_unavailable` if a limit cannot be set.
#[cfg(target_os = "linux")]
pub(super) fn set_limits(child: &Child, memory: u64, deadline: Duration) -> Result<(), MediaError> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let limit_error = |reason: String| {
        let message = format!("the limits of the program that decodes videos cannot be set: {reason}");
        MediaError::Failed(Problem::new("backend_unavailable", message))
    };
    let pid = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| limit_error("it has no process id".to_owned()))?;
    let cores = available_parallelism().map_or(1, usize::from) as u64;
    let limits = [
        (Resource::Data, memory),
        (Resource::Cpu, deadline.as_secs().max(1) * cores),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, limit) in limits {
        // an inherited limit that is lower stays
        let limit = Some(getrlimit(resource).maximum.map_or(limit, |inherited| inherited.min(limit)));
        let limit = Rlimit { current: limit, maximum: limit };
        prlimit(Some(pid), resource, limit).map_err(|it| limit_error(it.to_string()))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_: &Child, _: u64, _: Duration) -> Result<(), MediaError> {
    Ok(())
}
