//! The lock of a data folder: one stack at a time works in it.

use std::fs::{File, TryLockError};
use std::path::Path;

/// A lock on a file, until it is dropped.
///
/// It is unlocked, and not just closed: a process that is being started has a copy of every open file until its program runs,
/// and the lock belongs to all copies (flock(2)).
pub(crate) struct FolderLock(File);

impl FolderLock {
    /// Locks a file, which is created if it is missing.
    ///
    /// # Errors
    /// `WouldBlock` if another process, or another stack of this one, has the lock.
    pub(crate) fn acquire(path: &Path) -> Result<Self, TryLockError> {
        let file = File::create(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_free_at_once_although_a_copy_of_the_file_is_still_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stack.lock");
        let lock = FolderLock::acquire(&path).unwrap();
        assert!(matches!(FolderLock::acquire(&path), Err(TryLockError::WouldBlock)));
        let copy = lock.0.try_clone().unwrap();
        drop(lock);
        assert!(FolderLock::acquire(&path).is_ok());
        drop(copy);
    }
}
