//! Downloads media by signed links. A link is requested when the work starts, and never stored (section 3.10.5).

use std::path::Path;

use domain::id::hex;
use domain::media_type::is_image;
use domain::ssrf::check_url;
use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::client::unreachable;
use crate::client::{Iconik, IconikError};
use crate::source::{MAX_PROXY_WAITS, MediaSource, SourceChoice, choose_source, needs_proxies};

/// A download fails if no bytes arrive for this time.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// How many redirects are followed. Links to storage behind a gateway redirect.
const MAX_REDIRECTS: usize = 3;

/// Why a download failed.
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
    /// Chooses the bytes to fetch now of a version whose original is of the type `original`. The original is taken
    /// where no proxy is there.
    pub async fn choose_source(&self, asset: Uuid, version: Uuid, original: &str) -> Result<SourceChoice, IconikError> {
        let files = if is_image(original) { self.files(asset).await? } else { Vec::new() };
        let proxies = if needs_proxies(original, version, &files) { self.proxies(asset).await? } else { Vec::new() };
        match choose_source(original, version, &proxies, &files, MAX_PROXY_WAITS) {
            SourceChoice::Wait if !is_image(original) => {
                Ok(choose_source(original, version, &proxies, &self.files(asset).await?, MAX_PROXY_WAITS))
            }
            choice => Ok(choice),
        }
    }

    /// Downloads media into a file, and returns the SHA-256 of its bytes in hex. If the link has expired, a new one is
    /// requested, once.
    pub async fn fetch(&self, asset: Uuid, media: MediaSource, to: &Path) -> Result<String, FetchError> {
        match self.fetch_once(asset, media, to).await {
            Err(FetchError::Iconik(IconikError::Response { status: 403, .. })) => {
                self.fetch_once(asset, media, to).await
            }
            result => result,
        }
    }

    /// A link to media, which is good for some minutes.
    pub async fn media_link(&self, asset: Uuid, media: MediaSource) -> Result<String, IconikError> {
        match media {
            MediaSource::Proxy(id, _) => self.proxy_download_url(asset, id).await,
            MediaSource::File(id, _) => self.file_download_url(asset, id).await,
        }
    }

    /// The bytes of media from `first` to `last`, both included, by its link.
    pub async fn fetch_part(&self, link: &str, first: u64, last: u64) -> Result<Vec<u8>, FetchError> {
        let mut response = self.follow_redirects(link.to_owned(), Some((first, last))).await?;
        let status = response.status().as_u16();
        let range = response.headers().get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
        // storage that knows no ranges answers with all of it
        let begins = if status == 206 {
            range.is_some_and(|it| it.starts_with(&format!("bytes {first}-")))
        } else {
            status == 200 && first == 0
        };
        if !begins {
            return Err(IconikError::Response { status, text: "no such part for its own link".to_owned() }.into());
        }
        let (mut bytes, length) = (Vec::new(), usize::try_from(last - first + 1).unwrap_or(usize::MAX));
        while bytes.len() < length {
            let chunk = tokio::time::timeout(READ_TIMEOUT, response.chunk()).await;
            let chunk = chunk.map_err(|_| IconikError::Unreachable("the media stopped coming".to_owned()))?;
            let Some(chunk) = chunk.map_err(unreachable)? else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(length - bytes.len())]);
        }
        if bytes.len() < length {
            return Err(IconikError::Unreachable(format!("{} of {length} bytes came", bytes.len())).into());
        }
        Ok(bytes)
    }

    async fn fetch_once(&self, asset: Uuid, media: MediaSource, to: &Path) -> Result<String, FetchError> {
        let (link, size) = (self.media_link(asset, media).await?, media.size());
        let mut response = self.follow_redirects(link, None).await?;
        let status = response.status();
        if !status.is_success() {
            let text = "no media for its own link".to_owned();
            return Err(IconikError::Response { status: status.as_u16(), text }.into());
        }
        let mut file = tokio::fs::File::create(to).await.map_err(FetchError::Disk)?;
        let (mut hash, mut written) = (Sha256::new(), 0_u64);
        loop {
            let chunk = tokio::time::timeout(READ_TIMEOUT, response.chunk()).await;
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

    /// Requests a link, and follows its redirects. Every address is checked like the first, and none gets our token.
    async fn follow_redirects(
        &self,
        mut link: String,
        range: Option<(u64, u64)>,
    ) -> Result<reqwest::Response, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let url = check_url(&link, &self.allowed).map_err(|error| FetchError::Refused(error.to_string()))?;
            let mut request = self.http.get(url.clone());
            if let Some((first, last)) = range {
                request = request.header(RANGE, format!("bytes={first}-{last}"));
            }
            let response = request.send().await.map_err(unreachable)?;
            let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            let Some(location) = location else { return Ok(response) };
            let next = location.to_str().ok().and_then(|it| url.join(it).ok());
            link = next.ok_or_else(|| FetchError::Refused("it leads to what is no address".to_owned()))?.into();
        }
        Err(FetchError::Refused(format!("it leads elsewhere more than {MAX_REDIRECTS} times")))
    }
}
