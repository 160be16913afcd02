//! The answers to a request about several things, in its order: one that is refused leaves the others (NMS 5.3.2,
//! `BulkResponseList`).

use axum::http::StatusCode;
use oma::{BulkResponse, BulkResponseList, Document, Reference};

use crate::answer::{Answer, FaultResponse};

/// Answers as they are collected.
#[derive(Default)]
pub(super) struct BulkAnswers {
    list: BulkResponseList,
    /// The status of the first that was refused.
    refused: Option<u16>,
}

impl BulkAnswers {
    /// Adds the answer to the next thing; `status` is that of a success.
    pub(super) fn push(&mut self, status: StatusCode, outcome: Result<Reference, FaultResponse>) {
        let reason = |code: StatusCode| code.canonical_reason().unwrap_or_default().to_owned();
        self.list.response.push(match outcome {
            Ok(reference) => {
                BulkResponse { code: status.as_u16(), reason: reason(status), success: Some(reference), failure: None }
            }
            Err(refusal) => {
                let code = refusal.fault.status;
                self.refused = self.refused.or(Some(code));
                let reason = StatusCode::from_u16(code).map(reason).unwrap_or_default();
                BulkResponse { code, reason, success: None, failure: Some(refusal.fault.request_error()) }
            }
        });
    }

    /// Whether none was refused.
    pub(super) fn all_succeeded(&self) -> bool {
        self.refused.is_none()
    }

    /// The whole succeeds if anything did, and else fails as its first thing did.
    pub(super) fn into_answer(self) -> Result<Answer, FaultResponse> {
        let any = self.list.response.iter().any(|it| it.success.is_some());
        let status = self.refused.filter(|_| !any).unwrap_or(200);
        Ok(Answer::Document { status, document: Document::new("bulkResponseList", &self.list)?, location: None })
    }
}
