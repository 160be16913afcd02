//! What a file is: the decoders decide, not its name. First what `image` takes it for, then what ffmpeg does.

use std::io::Read;
use std::path::Path;

use domain::item::Problem;
use domain::result::{MediaInfo, Warning};
use image::DynamicImage;

use super::faces::run_blocking;
use super::video::Video;
use super::{MediaError, still, unreadable};
use crate::ffmpeg::Ffmpeg;
use crate::probe::Probe;

/// Bytes at the start of a file by which a format is named.
const SIGNATURE_BYTES: u64 = 4 << 10;

/// A file that can be looked at.
pub(crate) enum MediaFile<'a> {
    Still(Box<StillImage>),
    Video(Box<Video<'a>>),
}

/// A still, upright, as it is shown.
#[derive(Debug)]
pub(crate) struct StillImage {
    pub(crate) picture: DynamicImage,
    pub(crate) media: MediaInfo,
    pub(crate) warnings: Vec<Warning>,
}

/// Opens a file. A still that only ffmpeg decodes has at most `side` pixels on a side.
///
/// Skips with `unsupported_media`, by the format's name, what neither of the two takes.
pub(crate) async fn open<'a>(file: &Path, program: &'a Ffmpeg, side: u32) -> Result<MediaFile<'a>, MediaError> {
    let mut refused = match still::guess_format(file)? {
        None => None,
        Some(format) => {
            let (owned, most) = (file.to_owned(), program.memory_limit());
            match run_blocking(move || still::read(&owned, most)).await? {
                Ok(read) => {
                    let media = MediaInfo {
                        width: Some(read.width),
                        height: Some(read.height),
                        container: format.extensions_str().first().map(|name| (*name).to_owned()),
                        ..MediaInfo::default()
                    };
                    let still = StillImage { picture: read.picture, media, warnings: read.warnings };
                    return Ok(MediaFile::Still(Box::new(still)));
                }
                // ffmpeg may know more kinds of this format
                Err(MediaError::Skipped(problem)) if problem.code == "unsupported_media" => {
                    Some(MediaError::Skipped(problem))
                }
                Err(other) => return Err(other),
            }
        }
    };
    let probe = match Probe::run(program, file).await {
        Ok(probe) => probe,
        Err(MediaError::RetryLater(problem)) => return Err(MediaError::RetryLater(problem)),
        Err(probed) => return Err(refused.map_or_else(|| named_error(file, probed), Ok)?),
    };
    if let Some(refused) = refused.take_if(|_| !still::is_own_size(file, probe.video.width, probe.video.height)) {
        return Err(refused);
    }
    // HEIF and AVIF have one picture and no duration, but may look like a video of one frame
    let is_still = probe.is_still || (probe.duration_us.is_none() && still::format_name(&first_bytes(file)?).is_some());
    let probe = Probe { is_still, ..probe };
    let media = probe.media();
    let video = Video::new(program, file, probe);
    if !is_still {
        return Ok(MediaFile::Video(Box::new(video)));
    }
    let picture = video.decode_picture(0, side).await.map_err(|failed| refused.unwrap_or(failed))?;
    Ok(MediaFile::Still(Box::new(StillImage { picture, media, warnings: Vec::new() })))
}

/// The refusal by the name of the format, where that is known to hold pictures that are not decoded here.
fn named_error(file: &Path, probed: MediaError) -> Result<MediaError, MediaError> {
    let missing = matches!(&probed, MediaError::Failed(problem) if problem.code != "media_unreadable");
    Ok(match still::format_name(&first_bytes(file)?) {
        Some(name) if !missing => {
            let why = format!("{name} is not decoded here: {probed}");
            MediaError::Skipped(Problem::new("unsupported_media", why))
        }
        _ => probed,
    })
}

fn first_bytes(file: &Path) -> Result<Vec<u8>, MediaError> {
    let mut start = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(SIGNATURE_BYTES).read_to_end(&mut start).map_err(unreadable)?;
    Ok(start)
}
