//! How much of a JPEG's picture data is there: reads its Huffman codes without decoding them further (ITU-T T.81, F.2, G.2).
//! The decoder does not report missing blocks: it fills them.

mod bits;

use self::bits::{BitReader, HuffmanTable, SpectralBand};

/// Scans of a JPEG, at most. An encoder makes about ten.
const MAX_SCANS: usize = 100;
/// Larger pictures are refused by their header: no memory is allocated for them.
const MAX_PIXELS: u64 = super::decode::MAX_PIXELS;

/// How many blocks of 8 x 8 the scans should contain, and how many could be read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) blocks: u64,
    pub(super) expected_blocks: u64,
    /// All bits of all coefficients were read; false for a progressive picture without its last scans.
    pub(super) is_refined: bool,
}

impl Coverage {
    pub(super) fn is_complete(self) -> bool {
        self.blocks == self.expected_blocks && self.is_refined
    }

    /// In percent, rounded down: less than 100 if blocks are missing.
    pub(super) fn percent(self) -> u64 {
        (self.blocks * 100).checked_div(self.expected_blocks).unwrap_or_default()
    }
}

/// One component of a frame.
#[derive(Debug, Clone)]
struct Component {
    id: u8,
    /// Blocks of an MCU (minimum coded unit), across and down.
    h: u32,
    v: u32,
    /// Blocks of the component, and of a row of whole MCUs.
    width: u32,
    height: u32,
    stride: u32,
    /// Progressive: a bit for each coefficient of each block that is not zero.
    nonzero: Vec<u64>,
    /// The lowest bit of each coefficient that was read; 16 for none.
    known_to_bit: [u8; 64],
}

/// The headers so far.
#[derive(Default)]
struct ScanReader {
    progressive: bool,
    /// MCUs across and down.
    mcus: (u32, u32),
    components: Vec<Component>,
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    restart_interval: u32,
}

/// Reads a JPEG of 8 bits with Huffman coding up to its end marker, or the end of the data. `None` if its headers are not
/// understood: then the decoder reports what is wrong.
pub(super) fn coverage(data: &[u8]) -> Option<Coverage> {
    let (mut reader, mut coverage, mut at) = (ScanReader::default(), Coverage::default(), 2);
    let mut scans = 0;
    while let Some(marker) = next_marker(data, &mut at) {
        match marker {
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        // cut off inside a header: what is there counts
        let Some(length) = data.get(at..at + 2).map(|it| usize::from(it[0]) << 8 | usize::from(it[1])) else { break };
        let Some(segment) = data.get(at + 2..at + length.max(2)) else { break };
        at += length.max(2);
        match marker {
            0xc4 => reader.read_huffman_tables(segment)?,
            0xc0..=0xc2 if reader.components.is_empty() => reader.read_frame_header(marker, segment)?,
            0xdd => reader.restart_interval = u32::from(*segment.first()?) << 8 | u32::from(*segment.get(1)?),
            0xda => {
                scans += 1;
                if scans > MAX_SCANS {
                    return None;
                }
                let (blocks, of) = reader.read_scan(segment, data, &mut at)?;
                coverage.blocks += blocks;
                coverage.expected_blocks += of;
            }
            _ => {}
        }
    }
    if reader.components.is_empty() {
        return Some(coverage);
    }
    for component in reader.components.iter().filter(|it| it.known_to_bit[0] == 16) {
        coverage.expected_blocks += u64::from(component.width) * u64::from(component.height); // never in a scan
    }
    coverage.is_refined = reader.components.iter().all(|it| it.known_to_bit == [0; 64]);
    Some(coverage)
}

/// The next marker, with `at` after it; `None` at the end.
fn next_marker(data: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += data.get(*at..)?.iter().position(|it| *it == 0xff)? + 1;
        *at += data.get(*at..)?.iter().position(|it| *it != 0xff)?;
        let code = data[*at];
        *at += 1;
        if code != 0 {
            return Some(code);
        }
    }
}

impl ScanReader {
    fn read_huffman_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [class, rest @ ..] = segment {
            let lengths = rest.first_chunk::<16>()?;
            let count: usize = lengths.iter().map(|it| usize::from(*it)).sum();
            let table = HuffmanTable::new(lengths, rest.get(16..16 + count)?)?;
            let place = if class >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *place.get_mut(usize::from(class & 15))? = Some(table);
            segment = &rest[16 + count..];
        }
        Some(())
    }

    fn read_frame_header(&mut self, marker: u8, segment: &[u8]) -> Option<()> {
        let [8, high, low, wide, narrow, _, rest @ ..] = segment else { return None };
        let (height, width) = (u32::from(*high) << 8 | u32::from(*low), u32::from(*wide) << 8 | u32::from(*narrow));
        let sampling: Vec<_> =
            rest.chunks_exact(3).map(|it| (it[0], u32::from(it[1] >> 4), u32::from(it[1] & 15))).collect();
        let (most_h, most_v) = (sampling.iter().map(|it| it.1).max()?, sampling.iter().map(|it| it.2).max()?);
        let good = |it: &u32| (1..=4).contains(it);
        if u64::from(width) * u64::from(height) > MAX_PIXELS
            || sampling.len() > 4
            || width == 0
            || height == 0
            || !sampling.iter().all(|it| good(&it.1) && good(&it.2))
        {
            return None;
        }
        self.progressive = marker == 0xc2;
        self.mcus = (width.div_ceil(8 * most_h), height.div_ceil(8 * most_v));
        for (id, h, v) in sampling {
            let (stride, rows) = (self.mcus.0 * h, self.mcus.1 * v);
            let history = if self.progressive { vec![0; stride as usize * rows as usize] } else { Vec::new() };
            let size = |side: u32, own: u32, most: u32| (side * own).div_ceil(most).div_ceil(8);
            let (width, height) = (size(width, h, most_h), size(height, v, most_v));
            self.components.push(Component {
                id,
                h,
                v,
                width,
                height,
                stride,
                nonzero: history,
                known_to_bit: [16; 64],
            });
        }
        Some(())
    }

    /// Reads a scan. Returns the number of blocks that could be read, and of those that it should contain.
    fn read_scan(&mut self, segment: &[u8], data: &[u8], at: &mut usize) -> Option<(u64, u64)> {
        let count = usize::from(*segment.first()?);
        let header = segment.get(1..1 + count * 2)?;
        let &[start, end, bits] = segment.get(1 + count * 2..)?.first_chunk::<3>()?;
        let (end, low) = if self.progressive { (end.min(63), bits & 15) } else { (63, 0) };
        let band = SpectralBand { start: u32::from(start), end: u32::from(end), high: bits >> 4 };
        if count == 0 || start > end {
            return None;
        }
        let mut parts = Vec::new();
        for selector in header.chunks_exact(2) {
            let index = self.components.iter().position(|component| component.id == selector[0])?;
            let component = &mut self.components[index];
            component.known_to_bit[usize::from(start)..=usize::from(end)].fill(low);
            let (of_dc, of_ac) = (usize::from(selector[1] >> 4), usize::from(selector[1] & 15));
            let there = |tables: &[Option<HuffmanTable>], of: usize| tables.get(of).is_some_and(Option::is_some);
            let needs = if self.progressive { (start == 0 && band.high == 0, start > 0) } else { (true, true) };
            if needs.0 && !there(&self.dc, of_dc) || needs.1 && !there(&self.ac, of_ac) {
                return None; // frames of Motion JPEG leave out the default tables
            }
            parts.push((index, of_dc, of_ac));
        }
        let is_single_component = count == 1;
        let first = &self.components[parts[0].0];
        let (across, down) = if is_single_component { (first.width, first.height) } else { self.mcus };
        let size = |it: &Component| if is_single_component { (1, 1) } else { (it.h, it.v) };
        let blocks = |selector: &(usize, usize, usize)| {
            let (h, v) = size(&self.components[selector.0]);
            u64::from(h * v)
        };
        let each: u64 = parts.iter().map(blocks).sum();
        let (total, mut read) = (u64::from(across) * u64::from(down), 0);
        let interval = if self.restart_interval == 0 { total } else { u64::from(self.restart_interval) };
        let (dc, ac, progressive) = (&self.dc, &self.ac, self.progressive);
        let mut done_units = 0;
        while done_units < total {
            let mut bits = BitReader::new(data, *at);
            let (mut run, upto) = (0, total.min(done_units + interval));
            let failed_at = (done_units..upto).position(|unit| {
                let (x, y) = ((unit % u64::from(across)) as u32, (unit / u64::from(across)) as u32);
                let mut whole = true;
                for (index, of_dc, of_ac) in &parts {
                    let component = &mut self.components[*index];
                    let (h, v) = if is_single_component { (1, 1) } else { (component.h, component.v) };
                    for block in 0..h * v {
                        let place = (y * v + block / h) * component.stride + x * h + block % h;
                        let mut unused = 0;
                        let history = component.nonzero.get_mut(place as usize).unwrap_or(&mut unused);
                        let tables = (dc.get(*of_dc), ac.get(*of_ac));
                        let tables = (tables.0.and_then(Option::as_ref), tables.1.and_then(Option::as_ref));
                        whole = whole
                            && if progressive {
                                bits.read_progressive_block(band, tables, history, &mut run).is_some()
                            } else {
                                bits.read_sequential_block(tables).is_some()
                            };
                    }
                }
                !whole
            });
            read += failed_at.map_or(upto - done_units, |it| it as u64);
            done_units = upto;
            *at = bits.position();
            if done_units < total && !skip_to_restart_marker(data, at) {
                break;
            }
        }
        Some((read * each, total * each))
    }
}

/// Moves `at` after the next restart marker. `false` if another marker, or the end, comes first.
fn skip_to_restart_marker(data: &[u8], at: &mut usize) -> bool {
    let mut next = *at;
    let found = next_marker(data, &mut next);
    if matches!(found, Some(0xd0..=0xd7)) {
        *at = next;
        return true;
    }
    false
}

#[cfg(test)]
mod tests;
