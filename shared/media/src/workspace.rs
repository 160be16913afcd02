//! Temporary folders, one for each item. A folder is removed when its work ends, or, if the process was killed, by a later
//! process.

use std::path::Path;
use std::time::Duration;

pub use tempfile::TempDir;

/// How the names of our temporary folders begin.
pub(crate) const FOLDER_PREFIX: &str = "notifications-process-";
/// An older folder belongs to a process that was killed: no attempt takes longer (a Lambda function ends after 15 minutes).
const STALE_AFTER: Duration = Duration::from_secs(3_600);
/// The only writable storage of a Lambda function.
const TEMP_ROOT: &str = "/tmp";

/// Creates a folder, inside the application's own folder (`parent`) if it has one, and removes it when the value is
/// dropped. Removes stale folders beside it first.
///
/// # Errors
/// The storage is full, or not writable.
pub fn create(parent: Option<&str>) -> std::io::Result<TempDir> {
    let folder = Path::new(TEMP_ROOT).join(parent.unwrap_or_default());
    std::fs::create_dir_all(&folder)?;
    remove_stale_in(&folder, STALE_AFTER);
    tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(folder)
}

/// Removes the folders that killed processes left, also in the folders of applications.
pub fn remove_stale() {
    remove_stale_in(Path::new(TEMP_ROOT), STALE_AFTER);
    for entry in std::fs::read_dir(TEMP_ROOT).into_iter().flatten().flatten() {
        if is_directory(&entry) {
            remove_stale_in(&entry.path(), STALE_AFTER);
        }
    }
}

/// Removes the folders in this one that have our prefix and are older. Does not follow links.
fn remove_stale_in(folder: &Path, older: Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX) && is_directory(&entry);
        let age = entry.metadata().and_then(|it| it.modified()).ok().and_then(|it| it.elapsed().ok());
        if is_ours && age.is_some_and(|it| it > older) {
            drop(std::fs::remove_dir_all(entry.path())); // another process may be faster
        }
    }
}

fn is_directory(entry: &std::fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|it| it.is_dir())
}

#[cfg(test)]
mod tests {
    use std::fs::{FileTimes, create_dir, write};
    use std::time::SystemTime;

    use super::*;

    /// A folder that was last changed so many hours ago.
    fn aged(path: &Path, hours: u64) {
        create_dir(path).unwrap();
        write(path.join("media"), b"x").unwrap();
        let then = SystemTime::UNIX_EPOCH
            + path.metadata().unwrap().modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap()
            - Duration::from_secs(hours * 3_600);
        std::fs::File::open(path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
    }

    #[test]
    fn old_folders_of_ours_go_and_nothing_else() {
        let name = format!("workspace_{}", std::process::id());
        let place = Path::new(TEMP_ROOT).join(&name);
        create_dir(&place).unwrap();
        let (old, young, other) = (
            place.join(format!("{FOLDER_PREFIX}old")),
            place.join(format!("{FOLDER_PREFIX}new")),
            place.join("photos"),
        );
        for (path, hours) in [(&old, 2), (&young, 0), (&other, 2)] {
            aged(path, hours);
        }
        let work = create(Some(&name)).unwrap();
        let there = [&old, &young, &other].map(|it| it.exists());
        assert_eq!(there, [false, true, true]);
        assert!(work.path().starts_with(&place) && work.path().exists());
        aged(&old, 2);
        remove_stale();
        assert!(!old.exists() && young.exists() && other.exists(), "a start looks into named folders too");
        drop(work);
        std::fs::remove_dir_all(place).unwrap();
    }
}
