//! From the fields of a form to a channel (channel API, section 4.2). What a PUT leaves out of our own additions, and
//! every secret that it leaves out or masks, stays as it was.

use channels::secret;
use domain::amqp_uri::parse_amqp_uri;
use domain::bucket::SealedSecret;
use domain::channel::{
    Channel, ChannelKind, MessageFormat, RabbitMq, SignalR, SigningKey, Target, Webhook, is_type_pattern,
};
use domain::delivery::RetrySchedule;
use domain::filter::Filter;
use domain::masking::{MASK, mask_url};
use domain::ssrf::{check_new_url, check_no_control_characters, origin_of};
use domain::{AppId, ChannelId};
use entry::clock;
use entry::secrets::{channel_field, channel_url_field};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Context;
use adcreative_api::ApiError;
use adcreative_api::Form;

/// A channel as it is to be stored, and the signing secret if one was made or given.
pub(crate) struct ParsedChannel {
    pub(crate) channel: Channel,
    pub(crate) signing_secret: Option<String>,
    /// The receiver was asked a moment ago whether it wants to be called, and has not agreed.
    pub(crate) challenged_recently: bool,
}

/// A receiver that has not agreed is asked again after this time at the earliest.
const CHALLENGE_INTERVAL: time::Duration = time::Duration::minutes(1);

/// Reads a channel of a kind; `before` is the one that it replaces.
pub(crate) async fn read(
    state: &Context,
    app: AppId,
    kind: ChannelKind,
    form: &Form,
    before: Option<Channel>,
    now: OffsetDateTime,
) -> Result<ParsedChannel, ApiError> {
    let id = before.as_ref().map_or_else(|| ChannelId::random(clock::random_bytes()), |it| it.id);
    let format = match form.text("format").map(str::to_ascii_lowercase).as_deref() {
        None => before.as_ref().map(|it| it.format).unwrap_or_default(),
        Some("adcreative") => MessageFormat::AdCreative,
        Some("native") => MessageFormat::Native,
        Some(other) => {
            return Err(field_error(
                "Format",
                format!("The value '{}' is neither adcreative nor native.", shortened(other)),
            ));
        }
    };
    let sealing = Sealing { state, app, id, before: before.as_ref() };
    let (target, signing_secret, same_place) = match kind {
        ChannelKind::Webhook => webhook(&sealing, form).await?,
        ChannelKind::RabbitMq => (rabbit(&sealing, form).await?, None, true),
        ChannelKind::SignalR => (signal_r(&sealing, form).await?, None, true),
    };
    // one of the published format was never asked
    let confirmed =
        before.as_ref().is_some_and(|it| it.format == MessageFormat::Native && !it.unconfirmed) && same_place;
    let just_asked =
        same_place && before.as_ref().is_some_and(|it| it.unconfirmed && now - it.updated_at < CHALLENGE_INTERVAL);
    let active = form.boolean("IsActive", true)?;
    let kept = before.as_ref();
    let channel = Channel {
        id,
        app,
        active,
        include_image_data: form.boolean("IncludeImageData", false)?,
        format,
        types: match form.text("types") {
            None => kept.map(|it| it.types.clone()).unwrap_or_default(),
            Some(text) => types(text)?,
        },
        filter: match form.text("filter") {
            None => kept.and_then(|it| it.filter.clone()),
            Some(text) => filter(text)?,
        },
        per_second: match form.text("maxPerSecond") {
            None => kept.and_then(|it| it.per_second),
            // 0 takes the limit away: any number of deliveries a second
            Some(_) => Some(form.number("MaxPerSecond", 0, 0, 1_000)?).filter(|it| *it > 0),
        },
        every_progress: form.boolean("EveryProgress", kept.is_some_and(|it| it.every_progress))?,
        unconfirmed: kind == ChannelKind::Webhook && format == MessageFormat::Native && !confirmed,
        disabled_reason: kept.and_then(|it| it.disabled_reason.clone()).filter(|_| !active),
        created_at: kept.map_or(now, |it| it.created_at),
        updated_at: now,
        target,
    };
    Ok(ParsedChannel { channel, signing_secret, challenged_recently: just_asked })
}

struct Sealing<'a> {
    state: &'a Context,
    app: AppId,
    id: ChannelId,
    /// The channel that is replaced.
    before: Option<&'a Channel>,
}

/// Where a channel leads.
struct Address {
    /// As it may be seen.
    url: String,
    sealed: Option<SealedSecret>,
    /// It is the one that was there.
    same: bool,
    /// It is at the origin of the one that was there: what was kept for that one is good for this one.
    at_home: bool,
}

impl Sealing<'_> {
    async fn seal(&self, secret: &[u8]) -> Result<SealedSecret, ApiError> {
        self.state.secrets.seal(self.app, &channel_field(self.id), secret).await.map_err(ApiError::internal)
    }

    /// A secret that is given, or the one that was there if it is empty, absent or masked.
    async fn secret(
        &self,
        form: &Form,
        name: &str,
        before: Option<&SealedSecret>,
    ) -> Result<Option<SealedSecret>, ApiError> {
        match form.text(name).filter(|it| *it != MASK) {
            Some(text) => Ok(Some(self.seal(text.as_bytes()).await?)),
            None => Ok(before.cloned()),
        }
    }

    /// A web address, in the form that its parser gives it. One with masked values, as we show them, is the one that was
    /// there. What its query holds in secret is sealed.
    async fn address(&self, form: &Form, name: &'static str) -> Result<Address, ApiError> {
        let text = form.required(name)?;
        let before = match self.before {
            Some(channel) => Some(self.state.secrets.channel_url(channel).await.map_err(ApiError::internal)?),
            None => None,
        };
        let shown = before.as_ref().filter(|it| text.contains(MASK) && mask_url(it) == text);
        let refused = |why: String| field_error(name, format!("The {name} is refused: {why}."));
        if shown.is_none() && text.contains(MASK) {
            return Err(refused("its masked values are not those that were there".to_owned()));
        }
        let judged = check_new_url(shown.map_or(text, String::as_str), &self.state.allowed);
        let whole = judged.map_err(|why| refused(why.to_string()))?.to_string();
        let url = mask_url(&whole);
        let sealed = if url == whole {
            None
        } else {
            let field = channel_url_field(self.id);
            Some(self.state.secrets.seal(self.app, &field, whole.as_bytes()).await.map_err(ApiError::internal)?)
        };
        let parsed = before.as_ref().and_then(|it| url::Url::parse(it).ok());
        let same = parsed.is_some_and(|it| it.as_str() == whole);
        Ok(Address { url, sealed, same, at_home: before.is_some_and(|it| origin_of(&it) == origin_of(&whole)) })
    }
}

/// A webhook, its signing secret if one was made or given, and whether it leads where it led. One that moves to another
/// origin gets a new secret: the old receiver could sign for the new one.
async fn webhook(sealing: &Sealing<'_>, form: &Form) -> Result<(Target, Option<String>, bool), ApiError> {
    let before = sealing.before.and_then(|it| if let Target::Webhook(it) = &it.target { Some(it) } else { None });
    let address = sealing.address(form, "WebHookUrl").await?;
    let schedule = schedule(form, before.map(|it| it.schedule))?;
    let kept = before.filter(|it| address.at_home && !it.keys.is_empty());
    let given = match form.text("signingSecret").filter(|it| *it != MASK) {
        Some(text) => Some(secret::decode(text).map_err(|why| field_error("SigningSecret", why.to_string()))?),
        None if kept.is_none() => Some(clock::random_bytes::<32>().to_vec()),
        None => None,
    };
    let (keys, shown) = match given {
        Some(key) => {
            let current = SigningKey { secret: sealing.seal(&key).await?, until: None };
            (vec![current], Some(secret::encode(&key)))
        }
        None => (kept.map(|it| it.keys.clone()).unwrap_or_default(), None),
    };
    let Address { url, sealed: sealed_url, same, .. } = address;
    Ok((Target::Webhook(Webhook { url, sealed_url, schedule, keys }), shown, same))
}

async fn rabbit(sealing: &Sealing<'_>, form: &Form) -> Result<Target, ApiError> {
    let before = sealing.before.and_then(|it| if let Target::RabbitMq(it) = &it.target { Some(it) } else { None });
    let url = form.required("Url")?;
    let refused = |why| field_error("Url", format!("The Url is refused: {why}."));
    check_no_control_characters(url).map_err(refused)?;
    let broker = parse_amqp_uri(url, &sealing.state.allowed).map_err(refused)?;
    // or a caller could have a stored password sent to an address of its choice
    let moved = |it: &RabbitMq| {
        let before = parse_amqp_uri(&it.url, &sealing.state.allowed);
        before.map_or(true, |it| (it.host, it.port, it.tls) != (broker.host.clone(), broker.port, broker.tls))
    };
    let before = before.filter(|it| !moved(it));
    let username = bounded(form, "Username")?;
    let password = sealing.secret(form, "Password", before.map(|it| &it.password)).await?;
    let password = password.ok_or_else(|| field_error("Password", "The Password field is required.".to_owned()))?;
    if form.text("Password").is_some_and(|it| it.chars().count() > 255) {
        return Err(too_long("Password"));
    }
    let queue = bounded(form, "QueueName")?;
    if queue.len() > 255 || queue.starts_with("amq.") {
        return Err(field_error(
            "QueueName",
            "The QueueName has at most 255 bytes and does not begin with amq.".to_owned(),
        ));
    }
    let schedule = schedule(form, before.map(|it| it.schedule))?;
    Ok(Target::RabbitMq(RabbitMq { url: url.to_owned(), username, password, queue, schedule }))
}

async fn signal_r(sealing: &Sealing<'_>, form: &Form) -> Result<Target, ApiError> {
    let before = sealing.before.and_then(|it| if let Target::SignalR(it) = &it.target { Some(it) } else { None });
    let address = sealing.address(form, "HubUrl").await?;
    let method = form.text("HubMethod").unwrap_or("ReceiveNotification");
    let mut letters = method.bytes();
    let name = letters.next().is_some_and(|it| it.is_ascii_alphabetic())
        && letters.all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && method.len() <= 64;
    if !name {
        return Err(field_error("HubMethod", format!("The value '{}' is not valid for HubMethod.", shortened(method))));
    }
    // or a caller could have a stored token sent to an address of its choice
    let kept = before.filter(|_| address.at_home).and_then(|it| it.token.as_ref());
    let token = sealing.secret(form, "AccessToken", kept).await?;
    let schedule = schedule(form, before.map(|it| it.schedule))?;
    let Address { url, sealed: sealed_url, .. } = address;
    Ok(Target::SignalR(SignalR { url, sealed_url, method: method.to_owned(), token, schedule }))
}

/// The published schedule, or the standard one for whoever asks for it. A PUT that speaks of none leaves it.
fn schedule(form: &Form, before: Option<RetrySchedule>) -> Result<RetrySchedule, ApiError> {
    let named = ["retryCount", "exponentialBackoffFactor"].iter().any(|it| form.text(it).is_some());
    match form.text("schedule").map(str::to_ascii_lowercase).as_deref() {
        Some("standard") => Ok(RetrySchedule::Standard),
        None if !named && before.is_some() => Ok(before.unwrap_or_default()),
        // shown as ten attempts: the numbers come back with a form that was read before
        None if before == Some(RetrySchedule::Standard) => Ok(RetrySchedule::Standard),
        None | Some("exponential") => Ok(RetrySchedule::Exponential {
            retries: form.number("RetryCount", 5, 0, 20)?,
            factor: form.number("ExponentialBackoffFactor", 2.0, 1.0, 10.0)?,
        }),
        Some(other) => Err(field_error(
            "Schedule",
            format!("The value '{}' is neither standard nor exponential.", shortened(other)),
        )),
    }
}

fn types(text: &str) -> Result<Vec<String>, ApiError> {
    let all: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    if all.iter().any(|it| it == "*") {
        return Ok(Vec::new());
    }
    match all.iter().find(|it| !is_type_pattern(it)) {
        Some(bad) => Err(field_error(
            "Types",
            format!("The value '{}' is no type such as item.completed or item.*.", shortened(bad)),
        )),
        None if all.len() > 50 => Err(field_error("Types", "There are at most 50 types.".to_owned())),
        None => Ok(all),
    }
}

/// A filter as JSON; `{}` or `null` takes it away.
fn filter(text: &str) -> Result<Option<Filter>, ApiError> {
    let value: Value =
        serde_json::from_str(text).map_err(|it| field_error("Filter", format!("The Filter is not JSON: {it}.")))?;
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    Filter::try_from(value).map(Some).map_err(|why| field_error("Filter", format!("The Filter is refused: {why}.")))
}

fn bounded(form: &Form, name: &'static str) -> Result<String, ApiError> {
    let text = form.required(name)?;
    if text.chars().count() > 255 { Err(too_long(name)) } else { Ok(text.to_owned()) }
}

fn too_long(name: &'static str) -> ApiError {
    field_error(name, format!("The field {name} must be a string with a maximum length of 255."))
}

fn field_error(name: &'static str, why: String) -> ApiError {
    ApiError::InvalidField(name, why)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
