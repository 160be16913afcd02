//! The fields of a SignalR hub.

use adcreative_api::ApiError;
use domain::channel::{SignalR, Target};

use crate::fields::reader::{Address, FieldReader, shortened};
use crate::fields::shared_fields::schedule;

/// A SignalR hub, and the method that is invoked on it.
pub(super) struct SignalRFields {
    pub(super) hub: SignalR,
}

impl SignalRFields {
    pub(super) async fn read(reader: &FieldReader<'_>) -> Result<Self, ApiError> {
        let form = reader.form;
        let before = reader.before.and_then(|it| if let Target::SignalR(it) = &it.target { Some(it) } else { None });
        let address = reader.address("HubUrl").await?;
        let method = form.text("HubMethod")?.unwrap_or("ReceiveNotification");
        if !is_method_name(method) {
            return Err(ApiError::InvalidField(
                "HubMethod",
                format!("The value '{}' is not valid for HubMethod.", shortened(method)),
            ));
        }
        // or a caller could have the stored token sent to an address of its choice
        let stored = before.filter(|_| address.same_origin).and_then(|it| it.token.as_ref());
        let token = reader.secret("AccessToken", stored).await?;
        let schedule = schedule(form, before.map(|it| it.schedule))?;
        let Address { url, sealed: sealed_url, .. } = address;
        Ok(Self { hub: SignalR { url, sealed_url, method: method.to_owned(), token, schedule } })
    }
}

/// Whether a text is 1 to 64 letters, digits and underscores, the first of them a letter.
fn is_method_name(text: &str) -> bool {
    let mut letters = text.bytes();
    letters.next().is_some_and(|it| it.is_ascii_alphabetic())
        && letters.all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && text.len() <= 64
}
