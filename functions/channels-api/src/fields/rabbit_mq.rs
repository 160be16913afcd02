//! The fields of a RabbitMQ queue.

use adcreative_api::ApiError;
use domain::amqp_uri::parse_amqp_uri;
use domain::channel::{RabbitMq, Target};
use domain::ssrf::check_no_control_characters;

use crate::fields::reader::{FieldReader, too_long};
use crate::fields::shared_fields::schedule;

/// A RabbitMQ queue.
pub(super) struct RabbitMqFields {
    pub(super) queue: RabbitMq,
}

impl RabbitMqFields {
    pub(super) async fn read(reader: &FieldReader<'_>) -> Result<Self, ApiError> {
        let (form, allowed) = (reader.form, &reader.context.allowed_networks);
        let before = reader.before.and_then(|it| if let Target::RabbitMq(it) = &it.target { Some(it) } else { None });
        let url = form.required("Url")?;
        let refused = |error| ApiError::InvalidField("Url", format!("The Url is refused: {error}."));
        check_no_control_characters(url).map_err(refused)?;
        let broker = parse_amqp_uri(url, allowed).map_err(refused)?;
        // or a caller could have the stored password sent to an address of its choice
        let same_broker = |stored: &&RabbitMq| {
            let before = parse_amqp_uri(&stored.url, allowed);
            before.is_ok_and(|it| (it.host, it.port, it.tls) == (broker.host.clone(), broker.port, broker.tls))
        };
        let before = before.filter(same_broker);
        let username = reader.bounded("Username")?;
        let password = reader.secret("Password", before.map(|it| &it.password)).await?;
        let missing = || ApiError::InvalidField("Password", "The Password field is required.".to_owned());
        let password = password.ok_or_else(missing)?;
        if form.text("Password")?.is_some_and(|it| it.chars().count() > 255) {
            return Err(too_long("Password"));
        }
        let queue = reader.bounded("QueueName")?;
        if queue.len() > 255 || queue.starts_with("amq.") {
            return Err(ApiError::InvalidField(
                "QueueName",
                "The QueueName has at most 255 bytes and does not begin with amq.".to_owned(),
            ));
        }
        let schedule = schedule(form, before.map(|it| it.schedule))?;
        Ok(Self { queue: RabbitMq { url: url.to_owned(), username, password, queue, schedule } })
    }
}
