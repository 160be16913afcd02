//! A frame from ffmpeg's encoder `pgmyuv`, whose header contains the size. The detector uses the luma; only the frames of a
//! preview are converted to RGB.

use image::{GrayImage, RgbImage};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt};

use crate::error::MediaError;

/// Bytes of a header, at most: `P5`, width, height, the greatest value.
const MAX_HEADER_BYTES: u64 = 64;

/// A frame in full-range Y'CbCr 4:2:0, with its time from the container's start.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) t_ms: u64,
    pub(super) luma: GrayImage,
    /// For each two lines of luma, half a line of Cb, then half a line of Cr.
    chroma: Vec<u8>,
}

/// The weights of red and blue in luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matrix {
    /// ITU-R BT.601: standard definition.
    Bt601,
    /// ITU-R BT.709: high definition, and close enough to BT.2020.
    Bt709,
}

impl Frame {
    /// Reads the next frame of a stream. `None` at the end. The caller sets its time.
    ///
    /// # Errors
    /// `Failed` with `media_unreadable` if the header is invalid, or a side is longer than `side` pixels.
    pub(super) async fn read(
        reader: &mut (impl AsyncRead + AsyncBufReadExt + Unpin),
        side: u32,
    ) -> Result<Option<Self>, MediaError> {
        let mut header = Vec::new();
        while header.iter().filter(|byte| **byte == b'\n').count() < 3 {
            let read = reader.read_until(b'\n', &mut header).await.map_err(MediaError::unreadable)?;
            if read == 0 {
                return Ok(None);
            }
            if header.len() as u64 > MAX_HEADER_BYTES {
                return Err(MediaError::unreadable("a frame has no header"));
            }
        }
        let text = String::from_utf8_lossy(&header).into_owned();
        let numbers: Vec<u32> = text.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
        let [width, lines, 255] = numbers[..] else {
            return Err(MediaError::unreadable("a frame has a strange header"));
        };
        let height = lines / 3 * 2;
        if !text.starts_with("P5") || width > side || height > side || width % 2 + height % 2 + lines % 3 > 0 {
            return Err(MediaError::unreadable("a frame has a strange size"));
        }
        let mut luma = vec![0; width as usize * height as usize];
        let mut chroma = vec![0; luma.len() / 2];
        if reader.read_exact(&mut luma).await.is_err() || reader.read_exact(&mut chroma).await.is_err() {
            return Ok(None); // ffmpeg ended within a frame; its log contains the reason
        }
        Ok(GrayImage::from_raw(width, height, luma).map(|luma| Self { t_ms: 0, luma, chroma }))
    }

    /// Converts the frame to RGB (ITU-T T.871, section 7, with the weights of the matrix).
    pub(super) fn rgb(&self, matrix: Matrix) -> RgbImage {
        let (red, blue) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.212_6, 0.072_2),
        };
        let green = 1.0 - red - blue;
        let half = self.luma.width() as usize / 2;
        RgbImage::from_fn(self.luma.width(), self.luma.height(), |x, y| {
            let at = (y as usize / 2) * half * 2 + x as usize / 2;
            let sample = |at: usize| f32::from(self.chroma.get(at).copied().unwrap_or(128)) - 128.0;
            let (luma, cb, cr) = (f32::from(self.luma.get_pixel(x, y).0[0]), sample(at), sample(at + half));
            let (r, b) = (luma + 2.0 * (1.0 - red) * cr, luma + 2.0 * (1.0 - blue) * cb);
            let g = (luma - red * r - blue * b) / green;
            // `as` saturates
            image::Rgb([r, g, b].map(|it| it.round() as u8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Option<Frame>, MediaError> {
        Frame::read(&mut &*bytes, 640).await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn frames_bring_their_own_size() {
        let mut stream = &b"P5\n2 3\n255\nabcdefP5\n4 3\n255\nabcdefghijkl"[..];
        let first = Frame::read(&mut stream, 640).await.unwrap().unwrap();
        assert_eq!((first.luma.dimensions(), &first.chroma[..]), ((2, 2), &b"ef"[..]));
        let second = Frame::read(&mut stream, 640).await.unwrap().unwrap();
        assert_eq!((second.luma.dimensions(), &second.chroma[..]), ((4, 2), &b"ijkl"[..]));
        assert!(Frame::read(&mut stream, 640).await.unwrap().is_none());
        assert!(read(b"P5\n2 3\n255\nab").await.unwrap().is_none(), "cut within a picture");
        for bad in
            [&b"P6\n2 3\n255\nabcdef"[..], b"P5\n9998 3\n255\n", b"P5\n3 3\n255\n", b"P5\n2 4\n255\n", b"P5 \n \n \n"]
        {
            assert!(read(bad).await.is_err());
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn colours_come_back() {
        let check = async |yuv: [u8; 3], matrix, want: [u8; 3]| {
            let [y, cb, cr] = yuv;
            let bytes = [&b"P5\n2 3\n255\n"[..], &[y, y, y, y, cb, cr]].concat();
            let rgb = read(&bytes).await.unwrap().unwrap().rgb(matrix).get_pixel(1, 1).0;
            let near = rgb.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= 2);
            assert!(near, "{yuv:?}: {rgb:?}, not {want:?}");
        };
        check([128, 128, 128], Matrix::Bt709, [128, 128, 128]).await;
        check([255, 128, 128], Matrix::Bt601, [255, 255, 255]).await;
        check([76, 85, 255], Matrix::Bt601, [255, 0, 0]).await;
        check([54, 99, 255], Matrix::Bt709, [255, 0, 0]).await;
        check([29, 255, 107], Matrix::Bt601, [0, 0, 255]).await;
    }
}
