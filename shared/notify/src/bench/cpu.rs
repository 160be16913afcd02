//! CPU time of the functions' processes, and of this one, which runs the emulators (proc(5), `/proc/pid/stat`).

use std::collections::BTreeMap;

use local::FUNCTION_ARGUMENT;

/// Clock ticks a second in `/proc` (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What each process has used. A process that ends between two looks is counted up to the first of them.
#[derive(Debug, Default)]
pub(super) struct FunctionsCpu {
    /// Seconds by process id and function.
    processes: BTreeMap<(u32, String), f64>,
}

impl FunctionsCpu {
    /// Looks at the processes of this program's stack.
    pub(super) fn sample(&mut self) {
        let own = std::process::id();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
            let read = |name: &str| std::fs::read(entry.path().join(name)).ok();
            let Some((parent, seconds)) = read("stat").and_then(|it| parse_stat(&String::from_utf8_lossy(&it))) else {
                continue;
            };
            if parent != own {
                continue;
            }
            let command = read("cmdline").unwrap_or_default();
            let words: Vec<_> = command.split(|it| *it == 0).map(String::from_utf8_lossy).collect();
            if let [_, argument, name, ..] = &words[..]
                && argument == FUNCTION_ARGUMENT
            {
                self.processes.insert((pid, name.to_string()), seconds);
            }
        }
    }

    /// Seconds by function.
    pub(super) fn by_function(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        for ((_, name), seconds) in &self.processes {
            *all.entry(name.clone()).or_default() += seconds;
        }
        all
    }
}

/// Seconds of this process.
pub(super) fn own_seconds() -> f64 {
    let stat = std::fs::read("/proc/self/stat").unwrap_or_default();
    parse_stat(&String::from_utf8_lossy(&stat)).map_or(0.0, |it| it.1)
}

/// The parent of a process, and the seconds that it has used: the fields `ppid`, `utime` and `stime`.
fn parse_stat(stat: &str) -> Option<(u32, f64)> {
    // the program's name stands in parentheses, and may hold anything
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((fields.get(1)?.parse().ok()?, (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4194304 1 0 0 0 150 50 9 9 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(stat), Some((3, 2.0)));
        assert_eq!(parse_stat("7 (a"), None);
    }
}
