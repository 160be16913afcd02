//! The model file, `seeta_fd_frontal_v1.0.bin` or one in the same format.

use crate::lab::View;
use crate::surf::{FEATURE, Layer, Mlp, Patch, patches};
use crate::window::WINDOW;

/// Upper bound of counts in the file.
const MAX_COUNT: i32 = 100_000;
const LAB: i32 = 0;
const SURF: i32 = 1;

/// Why a file is not a valid model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model ends early")]
    Truncated,
    #[error("the model has a strange {0}")]
    Invalid(&'static str),
}

/// The classifiers of a cascade.
#[derive(Debug)]
pub struct Model {
    /// The first level.
    pub(crate) views: Vec<View>,
    /// The other levels.
    pub(crate) levels: Vec<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Node {
    /// Indexes of the nodes of the previous level whose windows it takes.
    pub(crate) sources: Vec<usize>,
    pub(crate) stages: Vec<Mlp>,
}

impl Model {
    /// Parses a model file: four-byte little-endian numbers.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader { bytes };
        let patches = patches();
        let (mut views, mut levels) = (Vec::new(), Vec::new());
        for level in 0..reader.count("number of levels")? {
            let mut nodes = Vec::new();
            for _ in 0..reader.count("number of nodes")? {
                let mut stages = Vec::new();
                for _ in 0..reader.count("number of stages")? {
                    match (reader.number()?, level) {
                        (LAB, 0) => views.push(reader.view()?),
                        (SURF, 1..) => stages.push(reader.mlp(&patches)?),
                        _ => return Err(ModelError::Invalid("kind of classifier")),
                    }
                }
                let sources = reader.number()?; // negative if there are none
                let sources = (0..sources.min(MAX_COUNT)).map(|_| reader.count("source")).collect::<Result<_, _>>()?;
                nodes.push(Node { sources, stages });
            }
            if level > 0 {
                levels.push(nodes);
            }
        }
        Ok(Self { views, levels })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn four(&mut self) -> Result<[u8; 4], ModelError> {
        let (four, rest) = self.bytes.split_first_chunk().ok_or(ModelError::Truncated)?;
        self.bytes = rest;
        Ok(*four)
    }

    fn number(&mut self) -> Result<i32, ModelError> {
        self.four().map(i32::from_le_bytes)
    }

    fn count(&mut self, name: &'static str) -> Result<usize, ModelError> {
        let number = self.number()?;
        if (0..MAX_COUNT).contains(&number) { Ok(number as usize) } else { Err(ModelError::Invalid(name)) }
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, ModelError> {
        (0..count).map(|_| self.four().map(f32::from_le_bytes)).collect()
    }

    fn view(&mut self) -> Result<View, ModelError> {
        let count = self.count("number of features")?;
        if self.number()? != 255 {
            return Err(ModelError::Invalid("number of values"));
        }
        let mut features = Vec::with_capacity(count);
        for _ in 0..count {
            let position = (self.count("place")?, self.count("place")?);
            if position.0.max(position.1) > WINDOW as usize - 9 {
                return Err(ModelError::Invalid("place"));
            }
            features.push(position);
        }
        let thresholds = self.floats(count)?;
        let mut weights = Vec::with_capacity(count);
        for _ in 0..count {
            let mut of_feature = [0.0; 256];
            of_feature.copy_from_slice(&self.floats(256)?);
            weights.push(of_feature);
        }
        Ok(View { features, weights, thresholds })
    }

    fn mlp(&mut self, all: &[Patch]) -> Result<Mlp, ModelError> {
        let layers = self.count("number of layers")?;
        let mut patches = Vec::new();
        for _ in 0..self.count("number of features")? {
            let number = self.count("feature")?; // counted from 1
            patches.push(*number.checked_sub(1).and_then(|it| all.get(it)).ok_or(ModelError::Invalid("feature"))?);
        }
        let threshold = f32::from_le_bytes(self.four()?);
        let mut inputs = self.count("number of inputs")?;
        if inputs != patches.len() * FEATURE {
            return Err(ModelError::Invalid("number of inputs"));
        }
        let mut all = Vec::new();
        for _ in 1..layers {
            let outputs = self.count("number of outputs")?;
            let weights = self.floats(inputs * outputs)?;
            all.push(Layer::new(&weights, self.floats(outputs)?, inputs));
            inputs = outputs;
        }
        Ok(Mlp { patches, layers: all, threshold })
    }
}
