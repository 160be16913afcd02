//! `callbackURL`: where enablers put notifications on a channel (NC 5.3; NMS 6.19).

use domain::millis;
use entry::clock;
use notification_channel::{EnqueueOutcome, Purpose};
use oma::{Fault, Format, RequestFormat};

use crate::answer::{Answer, FaultResponse};
use crate::body_schema::Notification;
use crate::context::Context;
use crate::request::OmaRequest;

/// The largest body, in bytes: what it says is far smaller in the end, as a list has to carry it.
const MAX_BYTES: usize = 256_000;

/// Takes a notification of any enabler. It is on the channel before the answer.
///
/// The URL is the `callbackURL` of the channel, whose token is all that it takes: give it to enablers alone (NC 5.3).
#[utoipa::path(post, path = "/notificationchannel/v1/callbacks/{token}", tag = "OMA notification channels",
    params(("token" = String, Path)), request_body = Notification,
    responses((status = 204), (status = 404),
        (status = 413, description = "SVC0002 with `body`: it has more than 256,000 bytes, or is more than a list can carry"),
        (status = 503, description = "SVC2001: 1,000 notifications wait on the channel; `Retry-After` says when to come again")))]
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
