//! One connection to a broker, with the one channel that publishes.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::{DummyIO, RuntimeParts};
use async_rs::{Runtime, Tokio};
use domain::amqp_uri::AmqpUri;
use domain::delivery::DeliveryOutcome;
use domain::id::sha256_hex;
use domain::ssrf::AllowedNetworks;
use domain::trace_context::TraceContext;
use futures_core::Stream;
use guard::{ConnectError, MaybeTlsStream, ShutdownGuard};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::AsyncTcpStream;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use time::OffsetDateTime;

use crate::amqp::receiver::{EXCHANGE, ROUTING_KEY, Receiver};
use crate::message::Message;

/// The heartbeat interval in seconds, unless the AMQP URI names one.
const HEARTBEAT_SECONDS: u16 = 30;
/// The largest frame. The client's buffers hold 64 frames; a message takes as many as it needs.
const MAX_FRAME_BYTES: u32 = 16_384;

type TcpStream = Compat<MaybeTlsStream>;

/// Makes the client use a connection that the guard has opened: the client itself cannot open any.
#[derive(Clone, Debug)]
struct PreconnectedReactor(Tokio);

impl Reactor for PreconnectedReactor {
    type TcpStream = TcpStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: io::Read + io::Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl futures_io::AsyncRead + futures_io::AsyncWrite + Send + Unpin + 'static> {
        Err::<DummyIO, io::Error>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err::<TcpStream, io::Error>(io::ErrorKind::Unsupported.into()))
    }
}

/// A connection and its channel. One message is published at a time, so that what the broker returns belongs to it.
pub(super) struct BrokerConnection {
    connection: Connection,
    channel: Channel,
    /// Queues that this connection has found or declared, and bound.
    bound: HashSet<String>,
    /// Queues that the user may not declare or bind: their owner does that.
    managed_elsewhere: HashSet<String>,
    /// Ends the client's own thread, whatever it waits for.
    _shutdown: ShutdownGuard,
}

/// Why an attempt got no confirm.
pub(super) struct PublishError {
    cause: PublishErrorCause,
    /// The connection was dead: a new one may succeed at once.
    pub(super) connection_lost: bool,
    /// The user lacks a permission (403 ACCESS_REFUSED).
    access_refused: bool,
}

enum PublishErrorCause {
    Connect(ConnectError),
    /// The broker's own words.
    Broker(String),
    Connection(String),
}

impl From<ConnectError> for PublishError {
    fn from(error: ConnectError) -> Self {
        Self { cause: PublishErrorCause::Connect(error), connection_lost: false, access_refused: false }
    }
}

impl From<lapin::Error> for PublishError {
    fn from(error: lapin::Error) -> Self {
        let with = |cause, connection_lost| Self { cause, connection_lost, access_refused: false };
        match error.kind() {
            ErrorKind::ProtocolError(error) => {
                // reply codes of connection errors in AMQP 0-9-1: the broker shuts down, or closes this connection
                let connection_lost = matches!(error.get_id(), 320 | 501..=506 | 541);
                let cause = PublishErrorCause::Broker(format!("{} {}", error.get_id(), error.get_message()));
                Self { cause, connection_lost, access_refused: error.get_id() == 403 }
            }
            ErrorKind::IOError(error) => with(PublishErrorCause::Connection(format!("no connection: {error}")), true),
            ErrorKind::MissingHeartbeatError => {
                with(PublishErrorCause::Connection("the broker is silent".to_owned()), true)
            }
            ErrorKind::InvalidConnectionState(_)
            | ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidChannel(_) => {
                with(PublishErrorCause::Connection("the connection was closed".to_owned()), true)
            }
            _ => with(PublishErrorCause::Connection(error.to_string()), false),
        }
    }
}

impl PublishError {
    /// The outcome of the attempt that failed so.
    pub(super) fn outcome(self) -> DeliveryOutcome {
        match self.cause {
            PublishErrorCause::Connect(ConnectError::Forbidden(error)) => {
                DeliveryOutcome::Forbidden { why: error.to_string() }
            }
            PublishErrorCause::Connect(error) => DeliveryOutcome::Unreachable { why: error.to_string() },
            PublishErrorCause::Broker(why) => DeliveryOutcome::Rejected { why },
            PublishErrorCause::Connection(why) => DeliveryOutcome::Unreachable { why },
        }
    }
}

impl BrokerConnection {
    pub(super) async fn open(broker: &AmqpUri, to: &Receiver, allowed: &AllowedNetworks) -> Result<Self, PublishError> {
        let parameters = &broker.parameters;
        let timeout = parameters.connection_timeout.unwrap_or(guard::CONNECT_TIMEOUT).min(guard::CONNECT_TIMEOUT);
        let connecting = guard::connect(&broker.host, broker.port, broker.tls, allowed);
        let (stream, shutdown) =
            tokio::time::timeout(timeout, connecting).await.unwrap_or(Err(ConnectError::Timeout(timeout)))?;
        let slot = std::sync::Mutex::new(Some(Compat::new(stream)));
        let uri = AMQPUri {
            scheme: if broker.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: to.username.clone(), password: to.password.clone() },
                host: broker.host.clone(),
                port: broker.port,
            },
            vhost: broker.virtual_host.clone(),
            query: AMQPQueryString {
                heartbeat: Some(parameters.heartbeat.unwrap_or(HEARTBEAT_SECONDS)),
                frame_max: Some(
                    parameters.frame_max.filter(|it| *it > 0).unwrap_or(MAX_FRAME_BYTES).min(MAX_FRAME_BYTES),
                ),
                channel_max: parameters.channel_max,
                auth_mechanism: parameters.amqplain.then_some(SASLMechanism::AMQPlain),
                ..AMQPQueryString::default()
            },
        };
        let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), PreconnectedReactor(Tokio::current())));
        let connect = async move |_: AMQPUri, _: Runtime<RuntimeParts<Tokio, PreconnectedReactor>>| {
            let stream = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream
                .map(AsyncTcpStream::Plain)
                .ok_or_else(|| lapin::Error::from(io::Error::from(io::ErrorKind::NotConnected)))
        };
        let properties = ConnectionProperties::default().with_connection_name("notifications-api".into());
        let connection = Connection::connector(uri, runtime, connect, properties).await?;
        let channel = open_confirm_channel(&connection).await?;
        Ok(Self { connection, channel, bound: HashSet::new(), managed_elsewhere: HashSet::new(), _shutdown: shutdown })
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.status().connected()
    }

    /// Publishes and waits for the confirm. A message that the broker returns or does not accept is an outcome.
    ///
    /// # Errors
    /// What the connection or the channel failed of.
    pub(super) async fn publish(
        &mut self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
    ) -> Result<DeliveryOutcome, PublishError> {
        if !self.channel.status().connected() {
            self.channel = open_confirm_channel(&self.connection).await?;
            self.bound.clear();
        }
        if self.bound.contains(&to.queue) {
            // other queues may be bound to the exchange as well: that a message was routed says nothing about this
            // queue
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            if let Err(error) =
                self.channel.queue_declare(short_string(&to.queue)?, passive, FieldTable::default()).await
            {
                self.bound.remove(&to.queue);
                return Err(error.into());
            }
        } else if !self.managed_elsewhere.contains(&to.queue) {
            match self.bind(&to.queue).await {
                Err(error) if error.access_refused => {
                    self.managed_elsewhere.insert(to.queue.clone());
                    self.channel = open_confirm_channel(&self.connection).await?; // the broker has closed the channel
                }
                result => result?,
            }
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type(message.content_type.into())
            .with_message_id(short_string(&message.id)?)
            .with_type(short_string(&message.kind)?)
            .with_app_id(short_string(&message.app.to_string())?)
            .with_timestamp(u64::try_from(sent_at.unix_timestamp()).unwrap_or_default());
        let properties = match &message.trace {
            Some(trace) => properties.with_headers(header_table(trace)),
            None => properties,
        };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let key = short_string(&routing_key(&to.queue))?;
        let confirm = self.channel.basic_publish(EXCHANGE.into(), key, options, &message.body, properties).await?;
        Ok(match confirm.await? {
            Confirmation::Ack(None) => DeliveryOutcome::Confirmed,
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                // the next attempt checks whether the queue exists, and whether it may be bound by then
                self.bound.remove(&to.queue);
                self.managed_elsewhere.remove(&to.queue);
                DeliveryOutcome::Rejected { why: format!("returned: {} {}", returned.reply_code, returned.reply_text) }
            }
            Confirmation::Nack(None) => {
                DeliveryOutcome::Rejected { why: "the broker did not take it (nack)".to_owned() }
            }
            Confirmation::NotRequested => DeliveryOutcome::Rejected { why: "the broker confirms nothing".to_owned() },
        })
    }

    /// Declares the exchange and the queue if they do not exist, and binds the queue. An existing queue stays as it is.
    async fn bind(&mut self, queue: &str) -> Result<(), PublishError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        if let Err(error) = self.channel.queue_declare(short_string(queue)?, passive, FieldTable::default()).await {
            let missing = matches!(error.kind(), ErrorKind::ProtocolError(it) if it.get_id() == 404);
            if !missing {
                return Err(error.into());
            }
            self.channel = open_confirm_channel(&self.connection).await?; // the passive declare has closed it
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            self.channel.queue_declare(short_string(queue)?, durable, FieldTable::default()).await?;
        }
        let topic = ExchangeKind::Topic;
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        if self.channel.exchange_declare(EXCHANGE.into(), topic.clone(), passive, FieldTable::default()).await.is_err()
        {
            self.channel = open_confirm_channel(&self.connection).await?;
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            self.channel.exchange_declare(EXCHANGE.into(), topic, durable, FieldTable::default()).await?;
        }
        let key = short_string(&routing_key(queue))?;
        let bind = QueueBindOptions::default();
        self.channel.queue_bind(short_string(queue)?, EXCHANGE.into(), key, bind, FieldTable::default()).await?;
        self.bound.insert(queue.to_owned());
        Ok(())
    }
}

async fn open_confirm_channel(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// The routing key of a queue. A queue's name that has a word `*` or `#` is hashed: as a binding key it would be a
/// pattern (AMQP 0-9-1, section 3.1.3.3), and the queue would get the messages of other channels.
fn routing_key(queue: &str) -> String {
    let own = format!("{ROUTING_KEY}.{queue}");
    let pattern = queue.split('.').any(|it| it == "*" || it == "#");
    if own.len() <= 255 && !pattern { own } else { format!("{ROUTING_KEY}.{}", sha256_hex(queue.as_bytes())) }
}

/// A text of at most 255 bytes: AMQP's short string.
/// A trace as headers of a message, under the names that they have over HTTP.
fn header_table(trace: &TraceContext) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in trace.headers() {
        table.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    table
}

fn short_string(text: &str) -> Result<ShortString, PublishError> {
    let long = || PublishError {
        cause: PublishErrorCause::Broker("a name has more than 255 bytes".to_owned()),
        connection_lost: false,
        access_refused: false,
    };
    ShortString::try_new(text).map_err(|_| long())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_queue_is_a_pattern() {
        assert_eq!(routing_key("news"), "task.completed.news");
        for plain in ["a#", "#1", "**", "a.b*", "C#.news"] {
            assert_eq!(routing_key(plain), format!("task.completed.{plain}"), "no word of its own: no pattern");
        }
        let long = "q".repeat(241);
        for name in ["#", "*", "a.#", "#.a", "a.*.b", &long] {
            assert_eq!(routing_key(name), format!("task.completed.{}", sha256_hex(name.as_bytes())), "{name}");
        }
    }
}
