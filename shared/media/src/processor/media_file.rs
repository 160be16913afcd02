//! Whether a file is a still or a video. The decoders decide, not its name: first `image`, then ffmpeg.

use std::io::Read;
use std::path::Path;

use domain::result::{MediaInfo, Warning};
use image::DynamicImage;

use super::blocking::run_blocking;
use super::still;
use super::video::Video;
use crate::error::MediaError;
use crate::ffmpeg::Ffmpeg;
use crate::probe::container::Probe;
use crate::probe::probe;

/// Bytes of a file's beginning that identify its format.
const SIGNATURE_BYTES: u64 = 4 << 10;

/// A file that can be analysed.
pub(crate) enum MediaFile<'a> {
    Still(Box<StillImage>),
    Video(Box<Video<'a>>),
}

/// A decoded still, upright.
#[derive(Debug)]
pub(crate) struct StillImage {
    pub(crate) picture: DynamicImage,
    pub(crate) media: MediaInfo,
    pub(crate) warnings: Vec<Warning>,
}

/// Opens a file. A still that only ffmpeg decodes has at most `side` pixels on its long side.
///
/// # Errors
/// `Skipped` with `unsupported_media`, and the format's name if it is known, if neither decoder takes the file. Otherwise
/// the decoder's error.
pub(crate) async fn open<'a>(file: &Path, ffmpeg: &'a Ffmpeg, side: u32) -> Result<MediaFile<'a>, MediaError> {
    let mut unsupported = match still::guess_format(file)? {
        None => None,
        Some(format) => {
            let (owned, memory_limit) = (file.to_owned(), ffmpeg.memory_limit());
            match run_blocking(move || still::read(&owned, memory_limit)).await? {
                Ok(decoded) => {
                    let media = MediaInfo {
                        width: Some(decoded.width),
                        height: Some(decoded.height),
                        container: format.extensions_str().first().map(|name| (*name).to_owned()),
                        ..MediaInfo::default()
                    };
                    let still = StillImage { picture: decoded.picture, media, warnings: decoded.warnings };
                    return Ok(MediaFile::Still(Box::new(still)));
                }
                // ffmpeg may support more variants of this format
                Err(error) if error.is_unsupported() => Some(error),
                Err(other) => return Err(other),
            }
        }
    };
    let probe = match probe(ffmpeg, file).await {
        Ok(probe) => probe,
        Err(MediaError::RetryLater(problem)) => return Err(MediaError::RetryLater(problem)),
        Err(error) => return Err(unsupported.map_or_else(|| named_error(file, error), Ok)?),
    };
    let (width, height) = (probe.video.width, probe.video.height);
    if let Some(error) = unsupported.take_if(|_| !still::is_own_size(file, width, height)) {
        return Err(error);
    }
    // HEIF and AVIF have one picture and no duration, but may look like a video of one frame
    let is_still = probe.is_still || (probe.duration_us.is_none() && still::format_name(&first_bytes(file)?).is_some());
    let probe = Probe { is_still, ..probe };
    let media = probe.media();
    let video = Video::new(ffmpeg, file, probe);
    if !is_still {
        return Ok(MediaFile::Video(Box::new(video)));
    }
    let picture = video.decode_picture(0, side).await.map_err(|error| unsupported.unwrap_or(error))?;
    Ok(MediaFile::Still(Box::new(StillImage { picture, media, warnings: Vec::new() })))
}

/// The error of the probe, with the format's name where that is known. An error of our own backend stays as it is.
fn named_error(file: &Path, error: MediaError) -> Result<MediaError, MediaError> {
    let is_backend_error = matches!(&error, MediaError::Failed(problem) if problem.code != "media_unreadable");
    Ok(match still::format_name(&first_bytes(file)?) {
        Some(name) if !is_backend_error => MediaError::unsupported(format!("{name} is not decoded here: {error}")),
        _ => error,
    })
}

fn first_bytes(file: &Path) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(file).map_err(MediaError::unreadable)?;
    file.take(SIGNATURE_BYTES).read_to_end(&mut bytes).map_err(MediaError::unreadable)?;
    Ok(bytes)
}
