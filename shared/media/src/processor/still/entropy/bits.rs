//! Huffman-coded bits of a JPEG's scan.

const LOOKUP_BITS: u32 = 9;

/// The coefficients and the bit position of a progressive scan (T.81, G.1.1.1).
#[derive(Clone, Copy)]
pub(super) struct SpectralBand {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) high: u8,
}

/// A Huffman table (T.81, Annex C).
pub(super) struct HuffmanTable {
    /// By the next 9 bits: the code's length and symbol; length 0 for longer codes.
    lookup: Vec<(u8, u8)>,
    /// By length: the first code that is longer (T.81, F.2.2.3), and the offset from a code to the index of its symbol.
    first_longer_code: [u32; 17],
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// `lengths` has the numbers of codes of 1 to 16 bits. `None` if they are no valid code.
    pub(super) fn new(lengths: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            lookup: vec![(0, 0); 1 << LOOKUP_BITS],
            first_longer_code: [0; 17],
            offset: [0; 17],
            symbols: symbols.to_owned(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(lengths) {
            table.offset[length as usize] = i32::try_from(index).ok()? - i32::try_from(code).ok()?;
            for _ in 0..*count {
                if length <= LOOKUP_BITS {
                    let first = code << (LOOKUP_BITS - length);
                    let all = first as usize..(first + (1 << (LOOKUP_BITS - length))) as usize;
                    table.lookup.get_mut(all)?.fill((length as u8, *symbols.get(index)?));
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.first_longer_code[length as usize] = code;
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of a scan up to the next marker, without stuffed bytes.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// Its last `count` bits are next.
    buffer: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, count: 0 }
    }

    /// A position after the bytes that were read, and before the next marker.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 1;
                    0xff
                }
                (Some(0xff) | None, _) => return, // a marker, or the end
                (Some(byte), _) => *byte,
            };
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        Some((self.buffer >> self.count) as u32 & ((1 << count) - 1))
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        Some(())
    }

    /// The next `count` bits, which stay in the buffer; zeros after the end.
    fn peek(&self, count: u32) -> u32 {
        let bits =
            if self.count >= count { self.buffer >> (self.count - count) } else { self.buffer << (count - self.count) };
        bits as u32 & ((1 << count) - 1)
    }

    fn symbol(&mut self, table: Option<&HuffmanTable>) -> Option<u32> {
        let table = table?;
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.lookup[self.peek(LOOKUP_BITS) as usize];
        if length > 0 {
            self.count = self.count.checked_sub(u32::from(length))?;
            return Some(u32::from(symbol));
        }
        let length = (LOOKUP_BITS + 1..=16).find(|it| self.peek(*it) < table.first_longer_code[*it as usize])?;
        let index = i32::try_from(self.peek(length)).ok()? + table.offset[length as usize];
        self.count = self.count.checked_sub(length)?;
        table.symbols.get(usize::try_from(index).ok()?).map(|it| u32::from(*it))
    }

    /// Reads a block with all its coefficients (T.81, F.2.2).
    pub(super) fn read_sequential_block(
        &mut self,
        (dc, ac): (Option<&HuffmanTable>, Option<&HuffmanTable>),
    ) -> Option<()> {
        let size = self.symbol(dc)?;
        self.take(size.min(16))?;
        let mut index = 1;
        while index < 64 {
            let symbol = self.symbol(ac)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            if size == 0 {
                if zeros < 15 {
                    break;
                }
                index += 16;
            } else {
                self.take(size)?;
                index += zeros + 1;
            }
        }
        Some(())
    }

    /// Reads a block's part of a progressive scan (T.81, G.1.2). `run` counts the blocks of an end-of-band run.
    pub(super) fn read_progressive_block(
        &mut self,
        band: SpectralBand,
        (dc, ac): (Option<&HuffmanTable>, Option<&HuffmanTable>),
        history: &mut u64,
        run: &mut u32,
    ) -> Option<()> {
        match (band.start, band.high) {
            (0, 0) => {
                let size = self.symbol(dc)?;
                self.take(size.min(16)).map(drop)
            }
            (0, _) => self.take(1).map(drop),
            (_, 0) => self.first_pass(band, ac, history, run),
            _ => self.refinement_pass(band, ac, history, run),
        }
    }

    fn first_pass(
        &mut self,
        band: SpectralBand,
        ac: Option<&HuffmanTable>,
        history: &mut u64,
        run: &mut u32,
    ) -> Option<()> {
        if *run > 0 {
            *run -= 1;
            return Some(());
        }
        let mut index = band.start;
        while index <= band.end {
            let symbol = self.symbol(ac)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            if size > 0 {
                index += zeros;
                self.take(size)?;
                *history |= 1_u64.checked_shl(index).unwrap_or(0);
                index += 1;
            } else if zeros < 15 {
                *run = (1 << zeros) - 1 + self.take(zeros)?;
                break;
            } else {
                index += 16;
            }
        }
        Some(())
    }

    fn refinement_pass(
        &mut self,
        band: SpectralBand,
        ac: Option<&HuffmanTable>,
        history: &mut u64,
        run: &mut u32,
    ) -> Option<()> {
        let mut index = band.start;
        while *run == 0 && index <= band.end {
            let symbol = self.symbol(ac)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            if size > 0 {
                self.take(1)?; // the new coefficient's sign
            } else if zeros < 15 {
                *run = (1 << zeros) + self.take(zeros)?;
                break;
            }
            while index <= band.end {
                if *history >> index & 1 == 1 {
                    self.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                index += 1;
            }
            if size > 0 && index <= band.end {
                *history |= 1 << index;
            }
            index += 1;
        }
        if *run > 0 {
            let upto = u64::MAX >> (63 - band.end);
            let mut rest = (*history & upto & u64::MAX.checked_shl(index).unwrap_or(0)).count_ones();
            while rest > 0 {
                let some = rest.min(32);
                self.skip(some)?;
                rest -= some;
            }
            *run -= 1;
        }
        Some(())
    }
}
