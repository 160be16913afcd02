//! Bodies of responses: read up to a limit, or into a file. `next` yields the body's chunks, and `None` at its end.

use std::path::Path;

use domain::id::hex;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::error::ObjectStoreError;

/// The first bytes, at most `max_bytes`. A server may ignore `Range` and send the whole object (RFC 9110, section 14.2):
/// no more of it is read.
pub(super) async fn read_first<Chunk: AsRef<[u8]>>(
    max_bytes: usize,
    mut next: impl AsyncFnMut() -> Result<Option<Chunk>, ObjectStoreError>,
) -> Result<Vec<u8>, ObjectStoreError> {
    let mut first = Vec::new();
    while first.len() < max_bytes
        && let Some(chunk) = next().await?
    {
        first.extend_from_slice(chunk.as_ref());
    }
    first.truncate(max_bytes);
    Ok(first)
}

/// Writes a body of `size` bytes into a file. Returns the SHA-256 of its bytes, in hex. A longer or shorter body is
/// [`ObjectStoreError::Replaced`].
pub(super) async fn write_to_file<Chunk: AsRef<[u8]>>(
    to: &Path,
    size: u64,
    mut next: impl AsyncFnMut() -> Result<Option<Chunk>, ObjectStoreError>,
) -> Result<String, ObjectStoreError> {
    let mut file = tokio::fs::File::create(to).await.map_err(ObjectStoreError::Io)?;
    let (mut hash, mut written) = (Sha256::new(), 0_u64);
    while let Some(chunk) = next().await? {
        let chunk = chunk.as_ref();
        written += chunk.len() as u64;
        if written > size {
            return Err(ObjectStoreError::Replaced);
        }
        hash.update(chunk);
        file.write_all(chunk).await.map_err(ObjectStoreError::Io)?;
    }
    file.flush().await.map_err(ObjectStoreError::Io)?;
    if written < size {
        return Err(ObjectStoreError::Replaced);
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn download(chunks: &[&'static str], size: u64) -> Result<String, ObjectStoreError> {
        let folder = tempfile::tempdir().unwrap();
        let mut chunks = chunks.iter().copied();
        write_to_file(&folder.path().join("file"), size, async || Ok(chunks.next())).await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_of_another_length_is_another_object() {
        let hash = download(&["ab", "c"], 3).await.unwrap();
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(matches!(download(&["ab", "c"], 2).await, Err(ObjectStoreError::Replaced)));
        assert!(matches!(download(&["ab", "c"], 4).await, Err(ObjectStoreError::Replaced)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_more_is_read_than_asked_for() {
        let mut chunks = ["ab", "cd", "ef"].into_iter();
        assert_eq!(read_first(3, async || Ok(chunks.next())).await.unwrap(), b"abc");
        assert_eq!(chunks.next(), Some("ef"), "the rest is left");
    }
}
