//! The directories of a TIFF or BigTIFF file (TIFF 6.0, section 2; TIFF/EP for RAW files): what pictures it holds.

use std::cell::Cell;
use std::collections::HashSet;
use std::io;

use crate::processor::still::section::Section;

/// Directories of a file, at most.
const MAX_DIRECTORIES: usize = 256;
/// Entries of a directory, at most.
const MAX_ENTRIES: u64 = 4_096;
/// Values of all directories of a file, at most.
const MAX_VALUES: u64 = 1 << 22;

/// One picture of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    /// The directory's position.
    pub(super) at: u64,
    /// It is in the file's chain of directories, not a SubIFD.
    pub(super) is_page: bool,
    /// It is a smaller version of another picture (`NewSubfileType`, bit 0; `SubfileType` 2).
    pub(super) is_reduced: bool,
    /// It is a mask (`NewSubfileType`, bit 2).
    pub(super) is_mask: bool,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) compression: u64,
    pub(super) photometric: u64,
    pub(super) bits: u64,
    pub(super) samples: u64,
    /// The position of the photometric interpretation's value.
    pub(super) photometric_at: u64,
    pub(super) orientation: Option<u8>,
    /// The number of strips or tiles, and of those that end after the file's end.
    pub(super) chunks: usize,
    pub(super) truncated_chunks: usize,
    /// Position and length of a complete JPEG: the only strip, or that of the `JPEGInterchangeFormat` tags.
    pub(super) jpeg: Option<(u64, u64)>,
    /// Position and length of each JPEG-compressed strip or tile.
    pub(super) strips: Vec<(u64, u64)>,
    /// `JPEGTables`, which they share.
    pub(super) jpeg_tables: Vec<u8>,
    /// 256 red, 256 green and 256 blue values of 16 bits; empty without a palette.
    pub(super) palette: Vec<u64>,
}

impl Directory {
    pub(super) fn pixels(&self) -> u64 {
        self.width.saturating_mul(self.height)
    }

    /// Whether the picture is a camera's raw data, which need developing.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.photometric, 32_803 | 34_892) || self.compression == 34_713
    }
}

/// A file's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    big: bool,
    little: bool,
    pub(super) first: u64,
}

impl Header {
    /// `None` if the file is no TIFF.
    pub(super) fn read(section: &Section) -> io::Result<Option<Self>> {
        let bytes = section.first_bytes(16)?;
        let little = match bytes.first_chunk::<2>() {
            Some(b"II") => true,
            Some(b"MM") => false,
            _ => return Ok(None),
        };
        let header = Self { big: false, little, first: 0 };
        let number = |at: usize, size: usize| bytes.get(at..at + size).map(|it| header.number(it));
        Ok(match number(2, 2) {
            Some(42) => number(4, 4).map(|first| Self { first, ..header }),
            Some(43) if number(4, 2) == Some(8) => number(8, 8).map(|first| Self { first, big: true, ..header }),
            _ => None,
        })
    }

    /// The patch that makes another directory the first: its position and bytes.
    pub(super) fn pointing_to(self, at: u64) -> (u64, Vec<u8>) {
        if self.big {
            return (8, self.bytes(at, 8));
        }
        (4, self.bytes(at, 4))
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }

    pub(super) fn bytes(self, number: u64, size: usize) -> Vec<u8> {
        let all = number.to_le_bytes();
        if self.little { all[..size].to_vec() } else { all[..size].iter().rev().copied().collect() }
    }
}

/// All directories: those of the chain in their order, then SubIFDs. Unreadable ones are left out.
pub(super) fn directories(section: &Section, header: Header) -> Vec<Directory> {
    let (mut found, mut seen, remaining) = (Vec::new(), HashSet::new(), Cell::new(MAX_VALUES));
    let mut pending = Vec::new();
    let mut next = header.first;
    while next != 0 && found.len() < MAX_DIRECTORIES && seen.insert(next) {
        let Ok(read) = ParsedDirectory::directory(section, header, next, &remaining) else { break };
        next = read.next;
        pending.extend(read.sub_ifds);
        found.push(Directory { is_page: true, ..read.directory });
    }
    while let Some(at) = pending.pop() {
        if seen.len() >= 2 * MAX_DIRECTORIES {
            break;
        }
        if at != 0
            && seen.insert(at)
            && let Ok(read) = ParsedDirectory::directory(section, header, at, &remaining)
        {
            pending.extend(read.sub_ifds);
            found.push(read.directory);
        }
    }
    found
}

/// A directory, and the positions of further ones.
struct ParsedDirectory {
    directory: Directory,
    next: u64,
    sub_ifds: Vec<u64>,
}

impl ParsedDirectory {
    fn directory(section: &Section, header: Header, at: u64, remaining: &Cell<u64>) -> io::Result<Self> {
        let (count_size, entry_size, offset_size) = if header.big { (8, 20, 8) } else { (2, 12, 4) };
        let read = |at: u64, size: usize| {
            let mut bytes = vec![0; size];
            section.read_at(at, &mut bytes).map(|()| bytes)
        };
        let count = header.number(&read(at, count_size)?);
        if count == 0 || count > MAX_ENTRIES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let entries = at + count_size as u64;
        let table = read(entries, count as usize * entry_size)?;
        let mut directory = Directory { at, compression: 1, bits: 1, ..Directory::default() };
        let (mut offsets, mut counts, mut sub_ifds, mut interchange) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
        for (place, entry) in (entries..).step_by(entry_size).zip(table.chunks_exact(entry_size)) {
            let values = || entry_values(section, header, entry, remaining);
            let one = || values().first().copied().unwrap_or_default();
            match header.number(&entry[..2]) {
                254 => (directory.is_reduced, directory.is_mask) = (one() & 1 == 1, one() & 4 == 4),
                255 => directory.is_reduced |= one() == 2,
                256 => directory.width = one(),
                257 => directory.height = one(),
                258 => directory.bits = one(),
                259 => directory.compression = one(),
                262 => {
                    (directory.photometric, directory.photometric_at) = (one(), place + if header.big { 12 } else { 8 })
                }
                273 | 324 => offsets = values(),
                279 | 325 => counts = values(),
                277 => directory.samples = one(),
                274 => directory.orientation = u8::try_from(one()).ok(),
                320 => directory.palette = Some(values()).filter(|it| it.len() == 768).unwrap_or_default(),
                330 => sub_ifds = values(),
                347 => directory.jpeg_tables = values().iter().filter_map(|it| u8::try_from(*it).ok()).collect(),
                513 => interchange.0 = one(),
                514 => interchange.1 = one(),
                _ => {}
            }
        }
        let beyond = |(at, size): &(&u64, &u64)| at.saturating_add(**size) > section.length;
        (directory.chunks, directory.truncated_chunks) =
            (offsets.len(), offsets.iter().zip(&counts).filter(beyond).count());
        directory.jpeg = match (&offsets[..], &counts[..]) {
            _ if interchange.0 > 0 && interchange.1 > 0 => Some(interchange),
            ([at], [size]) if matches!(directory.compression, 6 | 7 | 34_892) => Some((*at, *size)),
            _ => None,
        };
        if directory.compression == 7 {
            directory.strips = offsets.into_iter().zip(counts).collect();
        }
        let next = read(entries + table.len() as u64, offset_size).map_or(0, |it| header.number(&it));
        Ok(Self { directory, next, sub_ifds })
    }
}

/// The unsigned integers of an entry. Empty if they are of another type, after the file's end, or more than `remaining`.
fn entry_values(section: &Section, header: Header, entry: &[u8], remaining: &Cell<u64>) -> Vec<u64> {
    let (count_at, value_at) = if header.big { (4..12, 12) } else { (4..8, 8) };
    let size = match header.number(&entry[2..4]) {
        1 | 7 => 1,
        3 => 2,
        4 | 13 => 4,
        16 | 18 => 8,
        _ => return Vec::new(),
    };
    let count = header.number(&entry[count_at]);
    let inline = &entry[value_at..];
    let total = count.saturating_mul(size);
    let Some(rest) = remaining.get().checked_sub(count).filter(|_| total <= section.length) else { return Vec::new() };
    remaining.set(rest);
    let (total, size) = (total as usize, size as usize);
    if total <= inline.len() {
        return inline[..total].chunks_exact(size).map(|it| header.number(it)).collect();
    }
    let mut bytes = vec![0; total];
    match section.read_at(header.number(inline), &mut bytes) {
        Ok(()) => bytes.chunks_exact(size).map(|it| header.number(it)).collect(),
        Err(_) => Vec::new(),
    }
}
