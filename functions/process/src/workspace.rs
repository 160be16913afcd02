//! The temporary folder of one item, which is removed in every case.

use std::path::Path;
use std::time::Duration;

/// Folders of ours begin so, and those of the program that decodes videos.
const PREFIX: &str = media::program::FOLDER;
/// A folder that is older belongs to a process that was killed: no attempt takes longer.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// A new folder, inside the application's own if it names one; it goes when the value is dropped.
pub(crate) fn open(inside: Option<&str>) -> std::io::Result<tempfile::TempDir> {
    let folder = Path::new("/tmp").join(inside.unwrap_or_default());
    std::fs::create_dir_all(&folder)?;
    tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)
}

/// Removes what killed processes left behind.
pub(crate) fn clean() {
    for item in std::fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let ours = item.file_name().to_string_lossy().starts_with(PREFIX);
        let age = item.metadata().and_then(|it| it.modified()).ok().and_then(|it| it.elapsed().ok());
        if ours && age.is_some_and(|it| it > LEFT_BEHIND) {
            drop(std::fs::remove_dir_all(item.path())); // another process may be faster
        }
    }
}
