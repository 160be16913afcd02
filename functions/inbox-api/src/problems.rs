//! Problems that several endpoints answer.

use entry::http::{Problem, ProblemType};

/// The inbox has changed at each attempt of a write.
pub(crate) fn inbox_busy() -> Problem {
    Problem::new(ProblemType::Busy, inbox::read_state::BUSY)
}

/// There is no such notification, or it is another user's.
pub(crate) fn no_such_notification() -> Problem {
    Problem::new(ProblemType::NoSuchNotification, "there is no notification of that id")
}
