//! The streams of a file, as ffprobe or `ffmpeg -i` reports them.

/// The kinds of streams that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Video,
    Audio,
    Other,
}

/// A stream. Times are in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stream {
    pub(crate) index: u32,
    pub(crate) kind: StreamKind,
    /// ffmpeg's name of the codec; `None` where it knows none.
    pub(crate) codec: Option<String>,
    /// The container's name of the codec (FourCC).
    pub(crate) tag: Option<String>,
    /// In pixels, before rotation.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// The end on the container's clock by the stream's `DURATION` tag, where no header contains one.
    pub(crate) tag_end_us: Option<i64>,
    pub(crate) frames: Option<u64>,
    /// Frames per second.
    pub(crate) frame_rate: Option<f64>,
    /// A cover or a thumbnail, not a video.
    pub(crate) is_attached_picture: bool,
    pub(crate) is_default: bool,
    pub(crate) timecode: Option<String>,
    /// Degrees clockwise.
    pub(crate) rotation: u32,
    /// `16:11`; `None` for square pixels.
    pub(crate) pixel_aspect: Option<String>,
    /// `progressive`, `tt`, `bb`, `tb` or `bt`.
    pub(crate) field_order: Option<String>,
    pub(crate) bit_depth: Option<u32>,
    pub(crate) color_transfer: Option<String>,
}

impl Stream {
    /// The end by the stream's own header.
    pub(crate) fn end_us(&self) -> Option<i64> {
        Some(self.start_us.unwrap_or(0) + self.duration_us?)
    }

    /// The end by the stream's header or tag, from the container's start at `start_us`.
    pub(crate) fn declared_end_us(&self, start_us: i64) -> Option<i64> {
        self.end_us().or(self.tag_end_us).map(|end| end - start_us)
    }
}
