//! Temporary folders of one piece of work each, which are removed in every case: by the work, or, if it was killed, by one
//! that comes later.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::ffmpeg::FOLDER;

/// A folder that is older belongs to a process that was killed: no attempt takes longer.
const STALE_AFTER: Duration = Duration::from_secs(3_600);
/// Where all of them are, a function's only storage.
const TEMP_ROOT: &str = "/tmp";

/// A new folder, inside the application's own if it names one; it goes when the value is dropped. What killed processes
/// left where it is made goes before.
///
/// # Errors
/// The storage is full, or is none of ours to write to.
pub fn create(parent: Option<&str>) -> std::io::Result<TempDir> {
    let folder = Path::new(TEMP_ROOT).join(parent.unwrap_or_default());
    std::fs::create_dir_all(&folder)?;
    remove_stale_in(&folder, STALE_AFTER);
    tempfile::Builder::new().prefix(FOLDER).tempdir_in(folder)
}

/// Removes what killed processes left behind, also in the folders that applications have named.
pub fn remove_stale() {
    remove_stale_in(Path::new(TEMP_ROOT), STALE_AFTER);
    for it in std::fs::read_dir(TEMP_ROOT).into_iter().flatten().flatten() {
        if is_directory(&it) {
            remove_stale_in(&it.path(), STALE_AFTER);
        }
    }
}

/// Removes the folders in this one that have a name of ours and are older; nothing else, and nothing behind a link.
fn remove_stale_in(folder: &Path, older: Duration) {
    for it in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = it.file_name().to_string_lossy().starts_with(FOLDER) && is_directory(&it);
        let age = it.metadata().and_then(|it| it.modified()).ok().and_then(|it| it.elapsed().ok());
        if ours && age.is_some_and(|it| it > older) {
            drop(std::fs::remove_dir_all(it.path())); // another process may be faster
        }
    }
}

fn is_directory(it: &std::fs::DirEntry) -> bool {
    it.file_type().is_ok_and(|it| it.is_dir())
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
        let (old, young, foreign) =
            (place.join(format!("{FOLDER}old")), place.join(format!("{FOLDER}new")), place.join("photos"));
        for (path, hours) in [(&old, 2), (&young, 0), (&foreign, 2)] {
            aged(path, hours);
        }
        let work = create(Some(&name)).unwrap();
        let there = [&old, &young, &foreign].map(|it| it.exists());
        assert_eq!(there, [false, true, true]);
        assert!(work.path().starts_with(&place) && work.path().exists());
        aged(&old, 2);
        remove_stale();
        assert!(!old.exists() && young.exists() && foreign.exists(), "a start looks into named folders too");
        drop(work);
        std::fs::remove_dir_all(place).unwrap();
    }
}
