//! Media bytes by a signed link: fetched when the work starts, never kept (section 3.10.5).

use std::path::Path;

use domain::id::hex;
use domain::ssrf::check_url;
use reqwest::header::LOCATION;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::client::unreachable;
use crate::source::MediaSource;
use crate::{Iconik, IconikError};

/// No bytes for so long means that there are none.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A link may lead to another one so often: that of a storage behind a gateway does.
const MAX_REDIRECTS: usize = 3;

/// Why the bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Iconik(#[from] IconikError),
    #[error("the link to the media is refused: {0}")]
    Refused(String),
    #[error("the media is larger than Iconik said")]
    TooLarge,
    #[error("could not write to the temporary folder")]
    Disk(#[source] std::io::Error),
}

impl Iconik {
    /// Fetches media into a file; answers the SHA-256 of its bytes, in hex. A link that has expired is asked for anew,
    /// once.
    pub async fn fetch(&self, asset: Uuid, media: MediaSource, to: &Path) -> Result<String, FetchError> {
        match self.fetch_once(asset, media, to).await {
            Err(FetchError::Iconik(IconikError::Response { status: 403, .. })) => {
                self.fetch_once(asset, media, to).await
            }
            other => other,
        }
    }

    async fn fetch_once(&self, asset: Uuid, media: MediaSource, to: &Path) -> Result<String, FetchError> {
        let (link, size) = match media {
            MediaSource::Proxy(id, size) => (self.proxy_download_url(asset, id).await?, size),
            MediaSource::File(id, size) => (self.file_download_url(asset, id).await?, size),
        };
        let mut answer = self.follow_redirects(link).await?;
        let status = answer.status();
        if !status.is_success() {
            let text = "no media for its own link".to_owned();
            return Err(IconikError::Response { status: status.as_u16(), text }.into());
        }
        let mut file = tokio::fs::File::create(to).await.map_err(FetchError::Disk)?;
        let (mut hash, mut written) = (Sha256::new(), 0_u64);
        loop {
            let chunk = tokio::time::timeout(READ_TIMEOUT, answer.chunk()).await;
            let chunk = chunk.map_err(|_| IconikError::Unreachable("the media stopped coming".to_owned()))?;
            let Some(chunk) = chunk.map_err(unreachable)? else { break };
            written += chunk.len() as u64;
            if written > size {
                return Err(FetchError::TooLarge);
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(FetchError::Disk)?;
        }
        file.flush().await.map_err(FetchError::Disk)?;
        if written < size {
            return Err(IconikError::Unreachable(format!("{written} of {size} bytes came")).into());
        }
        Ok(hex(&hash.finalize()))
    }

    /// Gets a link, and where it leads: every address is judged like the first, and none is told our token.
    async fn follow_redirects(&self, mut link: String) -> Result<reqwest::Response, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let url = check_url(&link, &self.allowed).map_err(|why| FetchError::Refused(why.to_string()))?;
            let answer = self.http.get(url.clone()).send().await.map_err(unreachable)?;
            let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
            let Some(location) = location else { return Ok(answer) };
            let next = location.to_str().ok().and_then(|it| url.join(it).ok());
            link = next.ok_or_else(|| FetchError::Refused("it leads to what is no address".to_owned()))?.into();
        }
        Err(FetchError::Refused(format!("it leads elsewhere more than {MAX_REDIRECTS} times")))
    }
}
