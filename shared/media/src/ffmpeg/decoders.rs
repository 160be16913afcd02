//! The codecs that an ffmpeg decodes, by `ffmpeg -decoders`.

use std::collections::HashSet;

/// Codecs that media teams use: a missing one is logged at start.
const EXPECTED_CODECS: &[&str] = &[
    "h264",
    "hevc",
    "mpeg2video",
    "mpeg4",
    "prores",
    "dnxhd",
    "dvvideo",
    "vp9",
    "av1",
    "mjpeg",
    "jpeg2000",
    "jpegxl",
    "vc1",
    "wmv3",
    "theora",
    "rawvideo",
    "v210",
    "ffv1",
    "cfhd",
    "png",
    "tiff",
    "dpx",
    "exr",
    "webp",
];

/// The video codecs that can be decoded, by ffmpeg's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoders(HashSet<String>);

impl Decoders {
    /// Parses lines such as ` V....D libdav1d   dav1d AV1 decoder by VideoLAN (codec av1)`. Without a codec in brackets, the
    /// codec has the decoder's name.
    pub(crate) fn parse(text: &str) -> Self {
        let codec = |line: &str| {
            let mut words = line.split_whitespace();
            let (flags, name) = (words.next()?, words.next()?);
            if !flags.starts_with('V') || name == "=" {
                return None;
            }
            let named = line.trim_end().strip_suffix(')').and_then(|line| line.rsplit_once("(codec "));
            Some(named.map_or(name, |(_, codec)| codec).to_owned())
        };
        Self(text.lines().filter_map(codec).collect())
    }

    pub(crate) fn has(&self, codec: &str) -> bool {
        self.0.contains(codec)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn missing(&self) -> Vec<&'static str> {
        EXPECTED_CODECS.iter().copied().filter(|codec| !self.has(codec)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_read_by_their_place() {
        let text = "Decoders:\n V..... = Video\n A..... = Audio\n ------\n V....D h264                 H.264 / AVC\n \
                    V....D libdav1d             dav1d AV1 decoder by VideoLAN (codec av1)\n A....D aac    AAC (x)\n";
        let decoders = Decoders::parse(text);
        assert_eq!((decoders.has("h264"), decoders.has("av1"), decoders.has("aac")), (true, true, false));
        assert_eq!((decoders.count(), decoders.has("libdav1d")), (2, false));
        assert!(decoders.missing().contains(&"hevc") && !decoders.missing().contains(&"h264"));
    }
}
