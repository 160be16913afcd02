//! `callbackURL`: where enablers put notifications on a channel (NC 5.3; NMS 6.19).

use domain::millis;
use entry::clock;
use notification_channel::{EnqueueOutcome, Purpose};
use oma::{Fault, Format, RequestFormat};

use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// The largest body, in bytes: what it says is far smaller in the end, as a list has to carry it.
const MAX_BYTES: usize = 256_000;

/// Takes a notification of any enabler. It is on the channel before the answer.
pub(crate) async fn take(context: &Context, asked: &OmaRequest<'_>, token: &str) -> Result<Answer, FaultResponse> {
    let now = clock::now();
    let gone = Fault::unknown_resource;
    let id = context.urls.verify(&context.table, token, Purpose::Callback).await?.ok_or_else(gone)?;
    let channel = context.table.notification_channel(&id, millis(now)).await?.ok_or_else(gone)?;
    if asked.body.len() > MAX_BYTES {
        return Err(Fault::invalid_input("body").with_status(413).into());
    }
    let format = match asked.body_format()? {
        RequestFormat::Json => Format::Json,
        RequestFormat::Xml => Format::Xml,
        RequestFormat::Form | RequestFormat::Multipart => {
            return Err(Fault::invalid_input("Content-Type").with_status(415).into());
        }
    };
    let notification = oma::read_any_notification(format, &asked.body)?;
    match context.sender.enqueue(&channel, &notification, now).await? {
        EnqueueOutcome::Accepted => Ok(Answer::Empty),
        EnqueueOutcome::Gone => Err(gone().into()),
        EnqueueOutcome::TooLarge => Err(Fault::invalid_input("body").with_status(413).into()),
        EnqueueOutcome::Full => Err(FaultResponse::busy()),
    }
}
