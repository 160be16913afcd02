//! The later classifiers: multi-layer perceptrons on SURF features, which are sums of gradients in cells of the window.

use crate::resize::{Plane, Resized};
use crate::window::WINDOW;

const SIDE: usize = WINDOW as usize;
/// Sums per direction of the gradient: of x and |x| where y is not negative and where it is, and vice versa.
const CHANNELS: usize = 8;
/// One number per pixel of a row. The sums of a column fit, because a gradient is at most 2 x 255.
type Line = [i16; SIDE];
/// Number of values of a feature, which has 2 x 2 cells.
pub(crate) const FEATURE: usize = 4 * CHANNELS;
/// Number of neurons computed in parallel.
const LANES: usize = 16;

/// A window of the image, scaled to the classifiers' size: for each row the sums of the gradients above it, by column.
#[derive(Debug)]
pub(crate) struct Window {
    padded: Vec<u8>,
    scaled: Resized,
    sums: Vec<[Line; CHANNELS]>,
}

impl Default for Window {
    fn default() -> Self {
        Self { padded: Vec::new(), scaled: Resized::default(), sums: vec![[[0; SIDE]; CHANNELS]; SIDE + 1] }
    }
}

impl Window {
    /// Cuts a window out of the image; outside it is black. Returns `false` if the window is entirely outside or has no
    /// size.
    pub(crate) fn cut(&mut self, plane: Plane<'_>, x: i32, y: i32, side: u32) -> bool {
        let size = side as usize;
        let within = |at: i32, whole: usize| i64::from(at) < whole as i64 && i64::from(at) + i64::from(side) > 0;
        if size < 2 || size > 4 * plane.width.max(plane.height) {
            return false;
        }
        if !within(x, plane.width) || !within(y, plane.height) {
            return false;
        }
        if let Some(part) = plane.part(x, y, size) {
            gradients(self.scaled.of(part, SIDE, SIDE), &mut self.sums);
            return true;
        }
        self.padded.clear();
        self.padded.resize(size * size, 0);
        let rows = self.padded.chunks_exact_mut(size).zip(i64::from(y)..);
        for (to, y) in rows.filter(|(_, y)| (0..plane.height as i64).contains(y)) {
            let (skip, start) = (x.min(0).unsigned_abs() as usize, x.max(0) as usize);
            for (to, from) in to.iter_mut().skip(skip).zip(&plane.row(y as usize)[start..]) {
                *to = *from;
            }
        }
        let Some(part) = Plane::new(&self.padded, size, size) else { return false };
        gradients(self.scaled.of(part, SIDE, SIDE), &mut self.sums);
        true
    }

    /// The sums of the gradients in a cell.
    fn cell(&self, x: usize, y: usize, width: usize, height: usize) -> [i32; CHANNELS] {
        let (above, last) = (&self.sums[y], &self.sums[y + height]);
        std::array::from_fn(|channel| {
            let columns = last[channel][x..x + width].iter().zip(&above[channel][x..x + width]);
            columns.map(|(last, above)| i32::from(last - above)).sum()
        })
    }
}

/// Sums the gradients of an image of the classifiers' size. At its edges only one neighbour exists; its difference
/// counts twice.
fn gradients(plane: Plane<'_>, sums: &mut [[Line; CHANNELS]]) {
    let line = |y: usize| -> Line {
        let row = plane.row(y);
        std::array::from_fn(|x| i16::from(row[x]))
    };
    let (mut above, mut row) = (line(0), line(0));
    for y in 0..SIDE {
        let below = if y + 1 < SIDE { line(y + 1) } else { row };
        let factor = if y == 0 || y + 1 == SIDE { 2 } else { 1 };
        let down: Line = std::array::from_fn(|x| (below[x] - above[x]) * factor);
        let mut across: Line = [0; SIDE];
        for (to, pair) in across[1..].iter_mut().zip(row.windows(3)) {
            *to = pair[2] - pair[0];
        }
        across[0] = (row[1] - row[0]) * 2;
        across[SIDE - 1] = (row[SIDE - 1] - row[SIDE - 2]) * 2;
        let (before, after) = sums.split_at_mut(y + 1);
        let (before, after) = (&before[y], &mut after[0]);
        for (first, values, other) in [(0, &across, &down), (4, &down, &across)] {
            for x in 0..SIDE {
                let (value, size) = (values[x], values[x].abs());
                let negative = other[x] >> 15; // all bits if it is
                after[first][x] = before[first][x] + (value & !negative);
                after[first + 1][x] = before[first + 1][x] + (size & !negative);
                after[first + 2][x] = before[first + 2][x] + (value & negative);
                after[first + 3][x] = before[first + 3][x] + (size & negative);
            }
        }
        (above, row) = (row, below);
    }
}

/// A patch of the window, in pixels, over which a feature sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patch {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// All patches, in the order in which the model numbers them.
pub(crate) fn patches() -> Vec<Patch> {
    const SMALLEST: usize = 16;
    const MOVE: usize = 16;
    let mut all = Vec::new();
    for (across, down) in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2)] {
        for height in SMALLEST..=SIDE {
            let width = height / down * across;
            let fits = height % 2 == 0 && height % down == 0 && width % 2 == 0 && (SMALLEST..=SIDE).contains(&width);
            if fits {
                for y in (0..=SIDE - height).step_by(MOVE) {
                    all.extend((0..=SIDE - width).step_by(MOVE).map(|x| Patch { x, y, width, height }));
                }
            }
        }
    }
    all
}

/// A perceptron: its patches, its layers, and the required score. Its outputs are the score, and how the window moves
/// and grows: right, down, larger.
#[derive(Debug)]
pub(crate) struct Mlp {
    pub(crate) patches: Vec<Patch>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) threshold: f32,
}

/// Neurons in blocks of [`LANES`]: for each block, for each input, the weights of its neurons.
#[derive(Debug)]
pub(crate) struct Layer {
    weights: Vec<[f32; LANES]>,
    biases: Vec<f32>,
    inputs: usize,
}

impl Layer {
    /// `weights` holds the inputs of the first neuron, then those of the second, and so on.
    pub(crate) fn new(weights: &[f32], biases: Vec<f32>, inputs: usize) -> Self {
        let mut blocks = vec![[0.0; LANES]; biases.len().div_ceil(LANES) * inputs];
        for (neuron, line) in weights.chunks_exact(inputs.max(1)).enumerate() {
            for (input, weight) in line.iter().enumerate() {
                blocks[neuron / LANES * inputs + input][neuron % LANES] = *weight;
            }
        }
        Self { weights: blocks, biases, inputs }
    }

    /// The sums run in the order of the inputs, as in the reference implementation, for many neurons at a time.
    fn run(&self, input: &[f32], activation: impl Fn(f32) -> f32, output: &mut Vec<f32>) {
        output.clear();
        for (block, biases) in self.weights.chunks_exact(self.inputs.max(1)).zip(self.biases.chunks(LANES)) {
            let mut sums = [0.0_f32; LANES];
            for (weights, value) in block.iter().zip(input) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
            output.extend(sums.iter().zip(biases).map(|(sum, bias)| activation(sum + bias)));
        }
    }
}

/// The buffers of one evaluation of a perceptron.
#[derive(Debug, Default)]
pub(crate) struct Classification {
    values: Vec<f32>,
    next: Vec<f32>,
}

impl Classification {
    /// The outputs. The score is NaN if the features are.
    pub(crate) fn run(&mut self, mlp: &Mlp, window: &Window) -> [f32; 4] {
        self.values.clear();
        for patch in &mlp.patches {
            self.values.extend(feature(window, *patch));
        }
        for (index, layer) in mlp.layers.iter().enumerate() {
            if index + 1 < mlp.layers.len() {
                layer.run(&self.values, |it| if it > 0.0 { it } else { 0.0 }, &mut self.next);
            } else {
                layer.run(&self.values, |it| 1.0 / (1.0 + (-it).exp()), &mut self.next);
            }
            std::mem::swap(&mut self.values, &mut self.next);
        }
        let mut outputs = [f32::NAN, 0.5, 0.5, 0.5];
        outputs.iter_mut().zip(&self.values).for_each(|(to, from)| *to = *from);
        outputs
    }
}

/// The sums of a patch's cells, normalized to length 1. The squares overflow as in the reference implementation, which
/// then finds no face.
fn feature(window: &Window, patch: Patch) -> [f32; FEATURE] {
    let (width, height) = (patch.width / 2, patch.height / 2);
    let mut cells = [0; FEATURE];
    for (index, cell) in cells.chunks_exact_mut(CHANNELS).enumerate() {
        let (x, y) = (patch.x + index % 2 * width, patch.y + index / 2 * height);
        cell.copy_from_slice(&window.cell(x, y, width, height));
    }
    let squares: f64 = cells.iter().map(|it| f64::from(i32::wrapping_mul(*it, *it))).sum();
    if squares == 0.0 {
        return [0.0; FEATURE];
    }
    let length = squares.sqrt() as f32;
    cells.map(|it| it as f32 / length)
}
