//! The creation of a channel (NC 6.1.5).

use std::time::Duration;

use domain::id::sha256_hex;
use domain::notification_channel::{
    ChannelType, DEFAULT_NOTIFICATIONS, MAX_CHANNELS, MAX_NOTIFICATIONS, MAX_WAIT_TIME, NotificationChannel,
    NotificationChannelId, granted_lifetime,
};
use domain::{AppId, millis};
use entry::clock;
use notification_channel::KEY_LENGTH;
use oma::{Document, Fault, Format, Link, RequestFormat};
use serde_json::Value;
use table::{CorrelatorUse, TableError};

use crate::answer::{Answer, FaultResponse};
use crate::body_schema::ChannelForm;
use crate::channels::{document, resource_url};
use crate::context::Context;
use crate::request::{OmaRequest, check_texts};

/// The types that are offered, as POL1023 lists them.
const OFFERED: [ChannelType; 2] = [ChannelType::LongPolling, ChannelType::WebSockets];
/// Tries of a creation with a correlator whose channel has gone.
const MAX_TRIES: usize = 10;
/// The pause before the next one, for the other request to be done.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// What a channel is created with.
pub(crate) struct NewChannel {
    pub(crate) channel_type: ChannelType,
    pub(crate) xml: bool,
    pub(crate) max_notifications: u64,
    pub(crate) max_wait_time: u64,
    pub(crate) granted: u64,
    pub(crate) client_correlator: Option<String>,
    pub(crate) application_tag: Option<String>,
    /// SHA-256 of the request, if its correlator makes it safe to repeat.
    pub(crate) digest: Option<String>,
}

/// Creates a channel. A request with the same `clientCorrelator` and the same content makes no second one.
///
/// The types `LongPolling` and `WebSockets` are offered. `maxNotifications` is 10 if not said and at most 90, `maxWaitTime` 0
/// and at most 25 seconds, `channelLifetime` 86,400 and at least 60 seconds: the answer says what was granted. Messages of the
/// channel are in the format of the answer (NC 6.1.5).
#[utoipa::path(post, path = "/notificationchannel/v1/{userId}/channels", tag = "OMA notification channels",
    security(("keys" = [])), params(("userId" = String, Path)),
    request_body(content((oma::NotificationChannel = "application/json"),
        (ChannelForm = "application/x-www-form-urlencoded"))),
    responses((status = 201, body = oma::NotificationChannel),
        (status = 403, description = "POL1023: the type is not offered. POL0001 with `channels`: the user has 50 of them; with \
            `scope` or `user`: the credentials are good, but not for this"),
        (status = 409, description = "SVC0005: another request had this correlator; `link` leads to the channel that it made")))]
pub(crate) async fn create(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
) -> Result<Answer, FaultResponse> {
    let document_of_body = match asked.body_format()? {
        RequestFormat::Form => oma::read_channel_form(&asked.body)?,
        _ => asked.document("notificationChannel")?,
    };
    let new = read(&document_of_body, asked.format)?;
    let correlator = new.client_correlator.clone().unwrap_or_default();
    match store(context, app, user, new).await? {
        Ok(channel) => {
            let location = Some(resource_url(&asked.root, &channel.id));
            Ok(Answer::Document { status: 201, document: document(context, asked, &channel).await?, location })
        }
        Err(existing) => {
            let href = resource_url(&asked.root, &existing);
            let link = Link { rel: "NotificationChannel".to_owned(), href };
            Err(Fault::duplicate_correlator(correlator, link).into())
        }
    }
}

fn read(document: &Document, format: Format) -> Result<NewChannel, FaultResponse> {
    let value = &document.value;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let channel_type = text("channelType").ok_or_else(|| Fault::invalid_input("channelType"))?;
    let names = OFFERED.map(ChannelType::name);
    let Some(channel_type) = OFFERED.into_iter().find(|it| it.name() == channel_type) else {
        return Err(Fault::unsupported_channel_type(channel_type, &names).into());
    };
    if value["channelLifetime"].as_u64() == Some(0) {
        return Err(Fault::invalid_input("channelLifetime").into());
    }
    let data = &value["channelData"];
    if data["maxNotifications"].as_u64() == Some(0) {
        return Err(Fault::invalid_input("maxNotifications").into());
    }
    let (client_correlator, application_tag) = (text("clientCorrelator"), text("applicationTag"));
    check_texts(&[("clientCorrelator", &client_correlator), ("applicationTag", &application_tag)])?;
    // an empty one is none: deployed clients send it on every creation
    let digest = client_correlator.as_ref().filter(|it| !it.is_empty()).map(|_| digest(value));
    Ok(NewChannel {
        channel_type,
        xml: format == Format::Xml,
        max_notifications: data["maxNotifications"].as_u64().unwrap_or(DEFAULT_NOTIFICATIONS).min(MAX_NOTIFICATIONS),
        max_wait_time: data["maxWaitTime"].as_u64().unwrap_or(0).min(MAX_WAIT_TIME),
        granted: granted_lifetime(value["channelLifetime"].as_u64()),
        client_correlator,
        application_tag,
        digest,
    })
}

fn digest(value: &Value) -> String {
    sha256_hex(value.to_string().as_bytes())
}

/// Stores a channel. The one that a request with the same correlator has made is answered again; `Err` with its id if that was
/// another request.
pub(crate) async fn store(
    context: &Context,
    app: AppId,
    user: &str,
    new: NewChannel,
) -> Result<Result<NotificationChannel, NotificationChannelId>, FaultResponse> {
    let now = millis(clock::now());
    let correlator = new.client_correlator.as_deref().unwrap_or_default();
    let (scope, key) = (format!("nc|{user}"), sha256_hex(correlator.as_bytes()));
    let used = new.digest.clone().map(|request| CorrelatorUse { scope, key, request });
    for _ in 0..MAX_TRIES {
        if let Some(used) = &used
            && let Some(earlier) = context.table.correlator(app, used).await?
        {
            let id = NotificationChannelId { app, user: user.to_owned(), number: earlier.number };
            match context.table.notification_channel(&id, now).await? {
                Some(existing) if earlier.request == used.request => return Ok(Ok(existing)),
                Some(existing) => return Ok(Err(existing.id)),
                None => context.table.forget_correlator(app, used, &earlier).await?,
            }
        }
        if context.table.notification_channels(app, user, now).await?.len() >= MAX_CHANNELS {
            return Err(Fault::policy_error("channels").into());
        }
        let number = context.table.next_notification_channel(app, user).await?;
        let mut channel = NotificationChannel {
            id: NotificationChannelId { app, user: user.to_owned(), number },
            channel_type: new.channel_type,
            xml: new.xml,
            max_notifications: new.max_notifications,
            max_wait_time: new.max_wait_time,
            granted: new.granted,
            expires_at: 0,
            client_correlator: new.client_correlator.clone(),
            application_tag: new.application_tag.clone(),
            key: clock::random_alphanumeric(KEY_LENGTH),
            queued: 0,
            poll: 0,
            connection: None,
            sender: None,
            next_check: 0,
            offered_lifetime: None,
            revision: 1,
        };
        channel.refresh(new.granted, now);
        // its lifetime is looked after: what is left of it is deleted
        channel.next_check = channel.check_at();
        context.sender.schedule_check(&channel.id, channel.next_check, clock::now()).await?;
        match context.table.create_notification_channel(&channel, used.as_ref()).await {
            Ok(None) => return Ok(Ok(channel)),
            // another request with the correlator was faster, or is about to be
            Ok(Some(_)) | Err(TableError::Conflict { .. }) => clock::pause(CONFLICT_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(FaultResponse::internal(&TableError::Conflict { row: format!("the correlator of {user}") }))
}
