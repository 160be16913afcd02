//! Bilinear scaling with the roundings of the reference implementation (`f64`, truncated to a byte).

/// A greyscale image: rows of bytes, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane<'a> {
    pixels: &'a [u8],
    stride: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> Plane<'a> {
    /// `None` if the number of pixels differs from `width * height`.
    pub(crate) fn new(pixels: &'a [u8], width: usize, height: usize) -> Option<Self> {
        (width > 0 && height > 0 && pixels.len() == width.checked_mul(height)?).then_some(Self {
            pixels,
            stride: width,
            width,
            height,
        })
    }

    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..][..self.width]
    }

    /// A square part of the image; `None` if it is not entirely inside.
    pub(crate) fn part(&self, x: i32, y: i32, side: usize) -> Option<Self> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        let within = side > 0 && x + side <= self.width && y + side <= self.height;
        within.then(|| Self { pixels: &self.pixels[y * self.stride + x..], width: side, height: side, ..*self })
    }
}

/// The source of a scaled pixel: the index of the first of two adjacent source pixels, and the weights of both.
type Interpolation = (usize, f64, f64);

/// A scaled image and its buffers.
#[derive(Debug, Default)]
pub(crate) struct Resized {
    pixels: Vec<u8>,
    columns: Vec<Interpolation>,
    upper: Vec<f64>,
    lower: Vec<f64>,
}

impl Resized {
    /// Scales the image; its sides must be at least 2.
    pub(crate) fn of(&mut self, from: Plane<'_>, width: usize, height: usize) -> Plane<'_> {
        self.pixels.clear();
        if (from.width, from.height) == (width, height) {
            (0..height).for_each(|y| self.pixels.extend_from_slice(from.row(y)));
            return Plane { pixels: &self.pixels, stride: width, width, height };
        }
        self.columns.clear();
        self.columns.extend((0..width).map(|x| interpolation(x, from.width, width)));
        let mut lower_row = None; // the row in `lower`
        for y in 0..height {
            let (row, of_upper, of_lower) = interpolation(y, from.height, height);
            if lower_row == Some(row) {
                std::mem::swap(&mut self.upper, &mut self.lower);
            } else {
                scale_row(from.row(row), &self.columns, &mut self.upper);
            }
            scale_row(from.row(row + 1), &self.columns, &mut self.lower);
            lower_row = Some(row + 1);
            let rows = self.upper.iter().zip(&self.lower);
            self.pixels.extend(rows.map(|(upper, lower)| (of_upper * upper + of_lower * lower) as u8));
        }
        Plane { pixels: &self.pixels, stride: width, width, height }
    }
}

fn interpolation(at: usize, from: usize, to: usize) -> Interpolation {
    let exact = from as f64 / to as f64 * at as f64;
    let whole = (exact as usize).min(from.saturating_sub(2));
    let weight = exact - whole as f64;
    (whole, 1.0 - weight, weight)
}

fn scale_row(row: &[u8], columns: &[Interpolation], scaled: &mut Vec<f64>) {
    scaled.clear();
    scaled.extend(columns.iter().map(|(at, of_left, of_right)| {
        let [left, right] = [row[*at], row[*at + 1]].map(f64::from);
        of_left * left + of_right * right
    }));
}
