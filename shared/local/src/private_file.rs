//! Files and folders that only their owner may read.

use std::io::Write;
use std::path::Path;

/// Restricts a folder to its owner (mode 0700): keys, secrets and media lie in it.
pub(crate) fn restrict_to_owner(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Writes a file that only its owner may read (mode 0600). A reader sees the old content or the new, never a part.
pub fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&temporary)?.write_all(bytes)?;
    std::fs::rename(temporary, file)
}
