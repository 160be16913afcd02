//! What a file is: the decoders decide, not its name. First what `image` takes it for, then what ffmpeg does.

use std::io::Read;
use std::path::Path;

use domain::item::Problem;
use domain::result::{Media, Warning};
use image::DynamicImage;

use super::faces::blocking;
use super::video::Video;
use super::{Trouble, still, unreadable};
use crate::probe::Probe;
use crate::program::Program;

/// Bytes at the start of a file by which a format is named.
const START: u64 = 4 << 10;

/// A file that can be looked at.
pub(crate) enum Opened<'a> {
    Still(Box<Still>),
    Video(Box<Video<'a>>),
}

/// A still, upright, as it is shown.
#[derive(Debug)]
pub(crate) struct Still {
    pub(crate) picture: DynamicImage,
    pub(crate) media: Media,
    pub(crate) warnings: Vec<Warning>,
}

/// Opens a file. A still that only ffmpeg decodes has at most `side` pixels on a side.
///
/// Skips with `unsupported_media`, by the format's name, what neither of the two takes.
pub(crate) async fn open<'a>(file: &Path, program: &'a Program, side: u32) -> Result<Opened<'a>, Trouble> {
    let mut refused = match still::guess(file)? {
        None => None,
        Some(format) => {
            let (owned, most) = (file.to_owned(), program.share());
            match blocking(move || still::read(&owned, most)).await? {
                Ok(read) => {
                    let media = Media {
                        width: Some(read.width),
                        height: Some(read.height),
                        container: format.extensions_str().first().map(|name| (*name).to_owned()),
                        ..Media::default()
                    };
                    let still = Still { picture: read.picture, media, warnings: read.warnings };
                    return Ok(Opened::Still(Box::new(still)));
                }
                // ffmpeg may know more kinds of this format
                Err(Trouble::Skip(problem)) if problem.code == "unsupported_media" => Some(Trouble::Skip(problem)),
                Err(other) => return Err(other),
            }
        }
    };
    let probe = match Probe::of(program, file).await {
        Ok(probe) => probe,
        Err(Trouble::Again(problem)) => return Err(Trouble::Again(problem)),
        Err(probed) => return Err(refused.map_or_else(|| named(file, probed), Ok)?),
    };
    if let Some(refused) = refused.take_if(|_| !still::is_own_size(file, probe.video.width, probe.video.height)) {
        return Err(refused);
    }
    // HEIF and AVIF have one picture and no duration, but may look like a video of one frame
    let is_still = probe.still || (probe.duration_us.is_none() && still::name_of(&start(file)?).is_some());
    let probe = Probe { still: is_still, ..probe };
    let media = probe.media();
    let video = Video::new(program, file, probe);
    if !is_still {
        return Ok(Opened::Video(Box::new(video)));
    }
    let picture = video.picture(0, side).await.map_err(|failed| refused.unwrap_or(failed))?;
    Ok(Opened::Still(Box::new(Still { picture, media, warnings: Vec::new() })))
}

/// The refusal by the name of the format, where that is known to hold pictures that are not decoded here.
fn named(file: &Path, probed: Trouble) -> Result<Trouble, Trouble> {
    let missing = matches!(&probed, Trouble::Fail(problem) if problem.code != "media_unreadable");
    Ok(match still::name_of(&start(file)?) {
        Some(name) if !missing => {
            let why = format!("{name} is not decoded here: {probed}");
            Trouble::Skip(Problem::new("unsupported_media", why))
        }
        _ => probed,
    })
}

fn start(file: &Path) -> Result<Vec<u8>, Trouble> {
    let mut start = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(START).read_to_end(&mut start).map_err(unreadable)?;
    Ok(start)
}
