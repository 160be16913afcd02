//! From the fields of a form to a channel (channel API, section 4.2).
//!
//! A PUT keeps what it leaves out of our additions to the published fields, and every secret that it leaves out or
//! masks.

mod rabbit_mq;
mod reader;
mod shared_fields;
mod signal_r;
mod webhook;

use adcreative_api::{ApiError, Form};
use domain::channel::{Channel, ChannelKind, MessageFormat, Target};
use domain::{AppId, ChannelId};
use entry::clock;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::fields::rabbit_mq::RabbitMqFields;
use crate::fields::reader::FieldReader;
use crate::fields::shared_fields::SharedFields;
use crate::fields::signal_r::SignalRFields;
use crate::fields::webhook::WebhookFields;

/// A channel as it is to be stored, and the signing secret if one was generated or given.
pub(crate) struct ParsedChannel {
    pub(crate) channel: Channel,
    pub(crate) signing_secret: Option<String>,
    /// The receiver was sent a challenge less than [`CHALLENGE_INTERVAL`] ago, and has not confirmed it.
    pub(crate) challenged_recently: bool,
}

/// The shortest time between two challenges to a receiver that has not confirmed.
const CHALLENGE_INTERVAL: Duration = Duration::minutes(1);

/// Reads a channel of a kind from a form; `before` is the channel that it replaces.
///
/// # Errors
/// 400 with the first field that is missing or not valid.
pub(crate) async fn read(
    context: &Context,
    app: AppId,
    kind: ChannelKind,
    form: &Form,
    before: Option<Channel>,
    now: OffsetDateTime,
) -> Result<ParsedChannel, ApiError> {
    let id = before.as_ref().map_or_else(|| ChannelId::random(clock::random_bytes()), |it| it.id);
    let before = before.as_ref();
    let reader = FieldReader { context, form, app, id, before };
    let format = shared_fields::format(&reader)?;
    let (target, signing_secret, same_url) = match kind {
        ChannelKind::Webhook => {
            let fields = WebhookFields::read(&reader).await?;
            (Target::Webhook(fields.webhook), fields.signing_secret, fields.same_url)
        }
        ChannelKind::RabbitMq => (Target::RabbitMq(RabbitMqFields::read(&reader).await?.queue), None, true),
        ChannelKind::SignalR => (Target::SignalR(SignalRFields::read(&reader).await?.hub), None, true),
    };
    let shared = SharedFields::read(&reader)?;
    // a receiver of the published format was never sent a challenge
    let confirmed = same_url && before.is_some_and(|it| it.format != MessageFormat::AdCreative && !it.unconfirmed);
    let channel = Channel {
        id,
        app,
        active: shared.active,
        include_image_data: shared.include_image_data,
        format,
        ordering: shared.ordering,
        types: shared.types,
        filter: shared.filter,
        per_second: shared.per_second,
        every_progress: shared.every_progress,
        unconfirmed: kind == ChannelKind::Webhook && format != MessageFormat::AdCreative && !confirmed,
        disabled_reason: before.and_then(|it| it.disabled_reason.clone()).filter(|_| !shared.active),
        created_at: before.map_or(now, |it| it.created_at),
        updated_at: now,
        target,
    };
    let challenged_recently =
        same_url && before.is_some_and(|it| it.unconfirmed && now - it.updated_at < CHALLENGE_INTERVAL);
    Ok(ParsedChannel { channel, signing_secret, challenged_recently })
}
