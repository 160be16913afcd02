//! A section of a file that reads like a file: a JPEG up to its end, a preview inside a RAW file, a TIFF with another first
//! directory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// `length` bytes from `start` on, some of them replaced.
#[derive(Debug, Clone)]
pub(super) struct Section {
    file: Arc<File>,
    start: u64,
    pub(super) length: u64,
    position: u64,
    /// Replacements, by their position in the section.
    patches: Vec<(u64, Vec<u8>)>,
}

impl Section {
    /// A whole file.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let file = File::open(file)?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), start: 0, length, position: 0, patches: Vec::new() })
    }

    /// A section of this one, cut off at its end, without its patches.
    pub(super) fn subsection(&self, start: u64, length: u64) -> Self {
        let start = start.min(self.length);
        let length = length.min(self.length - start);
        Self { file: self.file.clone(), start: self.start + start, length, position: 0, patches: Vec::new() }
    }

    /// This section with other bytes at a position.
    pub(super) fn patched(mut self, at: u64, bytes: Vec<u8>) -> Self {
        self.patches.push((at, bytes));
        self
    }

    /// A buffered reader from the section's beginning.
    pub(super) fn buffered(&self) -> BufReader<Self> {
        BufReader::with_capacity(1 << 16, Self { position: 0, ..self.clone() })
    }

    /// Fills the buffer from a position. `UnexpectedEof` if the section ends before.
    pub(super) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        Self { position: at, ..self.clone() }.read_exact(buffer)
    }

    /// The first bytes, at most `count`.
    pub(super) fn first_bytes(&self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Self { position: 0, ..self.clone() }.take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let max_bytes = buffer.len().min(left);
        let mut file = &*self.file; // the file is shared by all its sections: each read seeks
        file.seek(SeekFrom::Start(self.start + self.position))?;
        let count = file.read(&mut buffer[..max_bytes])?;
        for (at, bytes) in &self.patches {
            for (position, byte) in (*at..).zip(bytes) {
                let index = position.checked_sub(self.position).and_then(|it| usize::try_from(it).ok());
                if let Some(index) = index.filter(|it| *it < count) {
                    buffer[index] = *byte;
                }
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(it) => Some(it),
            SeekFrom::End(it) => self.length.checked_add_signed(it),
            SeekFrom::Current(it) => self.position.checked_add_signed(it),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reads_as_a_file_with_other_bytes_where_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"0123456789").unwrap();
        let whole = Section::open(&file).unwrap().patched(2, b"ab".to_vec());
        assert_eq!(whole.first_bytes(100).unwrap(), b"01ab456789");
        let mut two = [0; 2];
        whole.read_at(3, &mut two).unwrap();
        assert_eq!(&two, b"b4", "a patch that began before");
        let part = whole.subsection(4, 3);
        assert_eq!(part.first_bytes(100).unwrap(), b"456");
        assert!(part.read_at(2, &mut two).is_err(), "it ends where it ends");
        assert_eq!(whole.subsection(8, 100).length, 2);
        assert_eq!(whole.subsection(50, 100).length, 0);
        let mut reader = part.buffered();
        reader.seek(SeekFrom::End(-1)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"6");
        assert!(part.clone().seek(SeekFrom::Current(-1)).is_err());
    }
}
