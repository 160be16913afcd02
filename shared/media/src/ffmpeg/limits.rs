//! What the program that decodes strangers' files may take of the machine.

use std::thread::available_parallelism;
use std::time::Duration;

use domain::item::Problem;
use tokio::process::Child;

use crate::processor::MediaError;

/// Limits a program that has just been started: it has hardly been loaded, and has not opened its input. `memory` is
/// that of private writable mappings (`RLIMIT_DATA`, which counts them since Linux 4.7), in bytes. It may write no
/// file; a pipe is none. Its processor time, all that there is until the deadline, ends only what outlives us.
#[cfg(target_os = "linux")]
pub(super) fn set_limits(child: &Child, memory: u64, deadline: Duration) -> Result<(), MediaError> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let limit_error = |why: String| {
        let message = format!("the limits of the program that decodes videos cannot be set: {why}");
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
    for (resource, most) in limits {
        // a limit that is lower already is inherited, and stays
        let most = Some(getrlimit(resource).maximum.map_or(most, |it| it.min(most)));
        let limit = Rlimit { current: most, maximum: most };
        prlimit(Some(pid), resource, limit).map_err(|it| limit_error(it.to_string()))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_: &Child, _: u64, _: Duration) -> Result<(), MediaError> {
    Ok(())
}
