//! Streams as request paths name them.

use domain::notification::{NAME_RULE, Stream, is_valid_name};
use entry::http::Problem;

/// The stream of the user that a path names.
///
/// # Errors
/// 422 if the text breaks the rule for names.
pub fn user_stream(user: &str) -> Result<Stream, Problem> {
    if is_valid_name(user) { Ok(Stream::User(user.to_owned())) } else { Err(Problem::invalid("user", NAME_RULE)) }
}

/// The stream of the group that a path names.
///
/// # Errors
/// 422 if the text breaks the rule for names.
pub fn group_stream(name: &str) -> Result<Stream, Problem> {
    if is_valid_name(name) { Ok(Stream::Group(name.to_owned())) } else { Err(Problem::invalid("group", NAME_RULE)) }
}
