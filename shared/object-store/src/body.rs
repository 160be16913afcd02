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

/// Collects a part from `first` to `last` of an object, chunk by chunk.
pub(super) struct PartBody {
    bytes: Vec<u8>,
    length: usize,
}

impl PartBody {
    /// A part that is to come. `content_range` is the header of its response: without it, the whole object comes (RFC 9110, section
    /// 14.2), which is good for its beginning alone.
    ///
    /// # Errors
    /// `UnexpectedResponse` if something else comes than what was asked for.
    pub(super) fn new(content_range: Option<&str>, first: u64, last: u64) -> Result<Self, ObjectStoreError> {
        let begins = match content_range {
            Some(range) => {
                range.trim_start().strip_prefix("bytes ").is_some_and(|it| it.starts_with(&format!("{first}-")))
            }
            None => first == 0,
        };
        if !begins {
            return Err(ObjectStoreError::UnexpectedResponse(
                "another part than the one that was asked for".to_owned(),
            ));
        }
        let length = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(usize::MAX);
        Ok(Self { bytes: Vec::new(), length })
    }

    /// Takes a chunk; `false` if no more is wanted.
    pub(super) fn take(&mut self, chunk: &[u8]) -> bool {
        let wanted = chunk.len().min(self.length - self.bytes.len());
        self.bytes.extend_from_slice(&chunk[..wanted]);
        self.bytes.len() < self.length
    }

    /// The part, once the body has ended.
    ///
    /// # Errors
    /// `Replaced` if it is shorter than the object that was listed.
    pub(super) fn end(self) -> Result<Vec<u8>, ObjectStoreError> {
        if self.bytes.len() < self.length { Err(ObjectStoreError::Replaced) } else { Ok(self.bytes) }
    }
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

    #[test]
    fn a_part_is_the_one_that_was_asked_for() {
        let part = |range: Option<&str>, first: u64, last: u64, chunks: &[&[u8]]| {
            let mut part = PartBody::new(range, first, last)?;
            let taken = chunks.iter().take_while(|it| part.take(it)).count();
            part.end().map(|it| (it, taken))
        };
        let abc = b"abc".to_vec();
        assert_eq!(part(Some("bytes 5-7/9"), 5, 7, &[b"ab", b"c", b"d"]).unwrap(), (abc.clone(), 1));
        assert_eq!(part(None, 0, 2, &[b"abcdef"]).unwrap(), (abc, 0), "the rest of the whole object is left");
        for range in [Some("bytes 0-2/9"), None, Some("bytes 55-57/99"), Some("items 5-7/9")] {
            assert!(matches!(part(range, 5, 7, &[b"abc"]), Err(ObjectStoreError::UnexpectedResponse(_))), "{range:?}");
        }
        assert!(matches!(part(Some("bytes 5-7/9"), 5, 7, &[b"ab"]), Err(ObjectStoreError::Replaced)));
    }
}
