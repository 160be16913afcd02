//! Reads the response of a listing in place of the SDK's deserializer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Error, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::ConfigBag;

use crate::listing::ListingPage;

/// A response that is not S3's XML.
pub(super) const NOT_S3: &str = "something that is not S3";

/// Parses the listing of one request. The SDK still signs, sends, retries, and reads error responses.
#[derive(Clone)]
pub(super) struct ListingInterceptor {
    /// The page, or what the endpoint answered instead.
    page: Arc<Mutex<Option<Result<ListingPage, String>>>>,
    /// Makes the SDK's own output type, without content, which the SDK gets in place of the page.
    empty_output: fn() -> Output,
}

impl ListingInterceptor {
    pub(super) fn new(empty_output: fn() -> Output) -> Self {
        Self { page: Arc::default(), empty_output }
    }

    /// The page, or what the endpoint answered instead.
    pub(super) fn take_page(&self) -> Result<ListingPage, String> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner).take();
        page.unwrap_or_else(|| Err(NOT_S3.to_owned()))
    }
}

impl fmt::Debug for ListingInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListingInterceptor")
    }
}

impl Intercept for ListingInterceptor {
    fn name(&self) -> &'static str {
        "ListingInterceptor"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().is_success() {
            config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        }
        Ok(())
    }
}

impl DeserializeResponse for ListingInterceptor {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let page = if response.status().is_success() {
            ListingPage::parse(response.body().bytes().unwrap_or_default()).ok_or_else(|| NOT_S3.to_owned())
        } else {
            Err(response.status().as_u16().to_string()) // a retry after a truncated success
        };
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        Ok((self.empty_output)())
    }
}
