//! The command that carries a job to the function of its processor.

use serde::{Deserialize, Serialize};

use crate::ItemId;
use crate::job::Job;
use crate::processor::ProcessorKind;

/// Work on a job of an item: start it, ask its backend about it, or collect its result, as its state says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessCommand {
    pub v: u8,
    pub item: ItemId,
    #[serde(default = "faces")]
    pub processor: ProcessorKind,
    /// Instead of work: remove what was written of the result of this attempt at the item's source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<u32>,
}

/// The processor of commands that name none: those of before there were several.
fn faces() -> ProcessorKind {
    ProcessorKind::FacialRecognition
}

impl ProcessCommand {
    pub fn new(item: ItemId, processor: ProcessorKind) -> Self {
        Self { v: 1, item, processor, forget: None }
    }

    /// Removes what was written of a job's result at the item's source.
    pub fn removal(item: ItemId, job: &Job) -> Self {
        Self { v: 2, forget: Some(job.attempt), ..Self::new(item, job.processor) }
    }
}
