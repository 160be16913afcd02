//! Whether an MP4 file is encrypted. ffmpeg does not report it, and decodes noise.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a `moov` box that are searched. Sample descriptions come before large tables.
const MAX_MOOV_BYTES: u64 = 8 << 20;
/// Top-level boxes before `moov`, at most.
const MAX_BOXES: usize = 1_000;
/// The protection schemes of ISO/IEC 23001-7, section 10.
const SCHEMES: [&str; 4] = ["cenc", "cens", "cbc1", "cbcs"];

/// The Common Encryption scheme in the file's sample descriptions (`schm`, ISO/IEC 14496-12, section 8.12.5).
pub(super) fn scheme(file: &Path) -> Option<&'static str> {
    let mut file = File::open(file).ok()?;
    for _ in 0..MAX_BOXES {
        let mut header = [0; 16];
        file.read_exact(&mut header[..8]).ok()?;
        let mut size = u64::from(u32::from_be_bytes([header[0], header[1], header[2], header[3]]));
        let mut read = 8;
        if size == 1 {
            file.read_exact(&mut header[8..]).ok()?;
            size = header[8..].iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
            read = 16;
        }
        if &header[4..8] == b"moov" {
            let mut moov = Vec::new();
            (&mut file).take(size.saturating_sub(read).min(MAX_MOOV_BYTES)).read_to_end(&mut moov).ok()?;
            // `schm`, version and flags, then the scheme
            return moov
                .windows(12)
                .filter(|bytes| bytes.starts_with(b"schm"))
                .find_map(|bytes| SCHEMES.into_iter().find(|scheme| scheme.as_bytes() == &bytes[8..]));
        }
        file.seek(SeekFrom::Current(i64::try_from(size.checked_sub(read)?).ok()?)).ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_found_in_moov_alone() {
        let folder = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], want: Option<&str>| {
            let file = folder.path().join("media");
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(scheme(&file), want, "{bytes:?}");
        };
        let scheme = b"\0\0\0\x14schm\0\0\0\0cbcs\0\x01\0\0";
        let boxed = |name: &[u8; 4], inside: &[u8]| {
            let size = u32::try_from(inside.len() + 8).unwrap().to_be_bytes();
            [&size[..], name, inside].concat()
        };
        check(&[boxed(b"ftyp", b"isom"), boxed(b"moov", scheme)].concat(), Some("cbcs"));
        check(&[boxed(b"mdat", scheme), boxed(b"moov", b"")].concat(), None);
        check(b"\0\0\0\0mdat", None);
        check(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x10\0\0\0\x08moov", None);
        check(b"", None);
    }
}
