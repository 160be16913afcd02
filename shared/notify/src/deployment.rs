//! A deployment on AWS, as CloudFormation knows its stack. Everything is found by the stack's resources and outputs, never by
//! how a name begins: what an older stack of the same name has left behind begins like this one's.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use crate::client::http_client;
use crate::error::CliError;

/// The version of CloudFormation's API (AWS CloudFormation API Reference, Common Parameters).
const API_VERSION: &str = "2010-05-15";
const FORM: &str = "application/x-www-form-urlencoded";

/// A stack.
pub(crate) struct Deployment {
    pub(crate) stack: String,
    /// The caller's credentials and region.
    pub(crate) config: SdkConfig,
    http: reqwest::Client,
    resources: Vec<Resource>,
}

/// A resource of a stack.
pub(crate) struct Resource {
    /// Its name in the template.
    pub(crate) logical: String,
    /// Such as `AWS::SQS::Queue`.
    pub(crate) kind: String,
    /// What AWS knows it by: the URL of a queue, the name of a table or a function.
    pub(crate) physical: String,
}

/// The configuration of AWS clients: the environment, profiles, SSO, `credential_process`, roles and instances.
pub(crate) fn client_config() -> aws_config::ConfigLoader {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http)
}

impl Deployment {
    /// Reads which resources a stack has.
    ///
    /// # Errors
    /// There are no credentials, no region or no such stack, or the caller may not read it.
    pub(crate) async fn open(stack: &str) -> Result<Self, CliError> {
        let config = client_config().load().await;
        let mut it = Self { stack: stack.to_owned(), config, http: http_client()?, resources: Vec::new() };
        let mut next: Option<String> = None;
        loop {
            let mut parameters = vec![("StackName", stack)];
            parameters.extend(next.as_deref().map(|token| ("NextToken", token)));
            let mut answer = it.query("ListStackResources", &parameters).await?;
            it.resources.extend(answer.lists.into_iter().filter_map(resource));
            next = answer.fields.remove("NextToken");
            if next.is_none() {
                return Ok(it);
            }
        }
    }

    /// What AWS knows a resource by.
    pub(crate) fn physical(&self, logical: &str) -> Option<&str> {
        self.resources.iter().find(|it| it.logical == logical).map(|it| it.physical.as_str())
    }

    /// The resources of a type.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |it| it.kind == kind)
    }

    /// The outputs of the stack.
    pub(crate) async fn outputs(&self) -> Result<BTreeMap<String, String>, CliError> {
        let answer = self.query("DescribeStacks", &[("StackName", &self.stack)]).await?;
        let output = |mut it: BTreeMap<String, String>| Some((it.remove("OutputKey")?, it.remove("OutputValue")?));
        Ok(answer.lists.into_iter().filter_map(output).collect())
    }

    /// Asks CloudFormation.
    async fn query(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Answer, CliError> {
        let failed = |what: String| CliError::Deployment { stack: self.stack.clone(), what };
        let region = self.config.region().map(ToString::to_string).ok_or_else(|| {
            failed("no region is set; set AWS_REGION, or `region` in the profile that AWS_PROFILE names".to_owned())
        })?;
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let usual = || format!("https://cloudformation.{region}.{suffix}");
        let url = format!("{}/", self.config.endpoint_url().map_or_else(usual, str::to_owned).trim_end_matches('/'));
        let form = [&[("Action", action), ("Version", API_VERSION)][..], parameters].concat();
        let body = reqwest::Url::parse_with_params(&url, form).map_err(|it| failed(it.to_string()))?;
        let body = body.query().unwrap_or_default().to_owned();

        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| failed("there are no AWS credentials".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|it| CliError::Credentials(it.into()))?;
        let identity = credentials.into();
        let signing = v4::SigningParams::builder().identity(&identity).region(&region).name("cloudformation");
        let signing = signing.time(now()).settings(SigningSettings::default()).build();
        let signing: SigningParams<'_> = signing.map_err(|it| failed(it.to_string()))?.into();
        let content = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", url.as_str(), [("content-type", FORM)].into_iter(), content);
        let signed = request.and_then(|it| sign(it, &signing)).map_err(|it| failed(it.to_string()))?;

        let mut request = self.http.post(&url).header("content-type", FORM);
        for (name, value) in signed.output().headers() {
            request = request.header(name, value);
        }
        let unreachable = |source| CliError::Unreachable { url: url.clone(), advice: String::new(), source };
        let response = request.body(body.clone()).send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        let answer = Answer::parse(&text);
        if status.is_success() {
            return answer.ok_or_else(|| failed(format!("CloudFormation's answer to {action} is no XML")));
        }
        let fields = answer.unwrap_or_default().fields;
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        Err(failed(format!("CloudFormation in {region} answered {status}: {} {}", field("Code"), field("Message"))))
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature holds the time of its request")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// A resource that is there.
fn resource(mut member: BTreeMap<String, String>) -> Option<Resource> {
    let status = member.get("ResourceStatus").map_or("", String::as_str);
    if status.starts_with("DELETE_") && status != "DELETE_FAILED" {
        return None;
    }
    Some(Resource {
        logical: member.remove("LogicalResourceId")?,
        kind: member.remove("ResourceType")?,
        physical: member.remove("PhysicalResourceId")?,
    })
}

/// What an answer holds: the texts of its elements, and those of each element `member` of a list apart, the inner ones first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    fields: BTreeMap<String, String>,
    lists: Vec<BTreeMap<String, String>>,
}

impl Answer {
    /// Parses a document; `None` if it is no XML.
    fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let (mut answer, mut open, mut text) = (Self::default(), Vec::<BTreeMap<String, String>>::new(), String::new());
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    text.clear();
                    if start.local_name().as_ref() == b"member" {
                        open.push(BTreeMap::new());
                    }
                }
                Event::Text(part) => text.push_str(&part.xml10_content().ok()?),
                Event::CData(part) => text.push_str(&part.xml10_content().ok()?),
                Event::GeneralRef(reference) => text.push_str(&resolved(&reference)?),
                Event::End(end) => {
                    let name = String::from_utf8_lossy(end.local_name().as_ref()).into_owned();
                    if name == "member" {
                        answer.lists.extend(open.pop());
                    } else {
                        let fields = open.last_mut().unwrap_or(&mut answer.fields);
                        fields.entry(name).or_insert_with(|| text.trim().to_owned());
                    }
                    text.clear();
                }
                Event::Eof => return Some(answer),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }
}

/// The text of a reference to a character, or to one of XML's own entities.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => Some(character.to_string()),
        None => resolve_predefined_entity(&reference.decode().ok()?).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_outputs_are_read() {
        let listed = "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>\
            <member><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LogicalResourceId>ScanDead</LogicalResourceId>\
            <PhysicalResourceId>https://sqs.eu-central-1.amazonaws.com/1/n-ScanDead-1A?a&amp;b&#65;</PhysicalResourceId>\
            <DriftInformation><StackResourceDriftStatus>NOT_CHECKED</StackResourceDriftStatus></DriftInformation>\
            <ResourceType>AWS::SQS::Queue</ResourceType></member>\
            <member><ResourceStatus>DELETE_SKIPPED</ResourceStatus><LogicalResourceId>Table</LogicalResourceId>\
            <PhysicalResourceId>n-Table-old</PhysicalResourceId><ResourceType>AWS::DynamoDB::Table</ResourceType></member>\
            <member><LogicalResourceId>Api</LogicalResourceId><ResourceType>x</ResourceType></member>\
            </StackResourceSummaries><NextToken>more</NextToken></ListStackResourcesResult></ListStackResourcesResponse>";
        let answer = Answer::parse(listed).unwrap();
        assert_eq!(answer.fields["NextToken"], "more");
        let found: Vec<Resource> = answer.lists.into_iter().filter_map(resource).collect();
        assert_eq!(found.len(), 1, "the old table stays behind, and the API has no id yet");
        assert_eq!((found[0].logical.as_str(), found[0].kind.as_str()), ("ScanDead", "AWS::SQS::Queue"));
        assert!(found[0].physical.ends_with("n-ScanDead-1A?a&bA"), "{}", found[0].physical);
        let refused = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized</Message></Error>\
            </ErrorResponse>";
        assert_eq!(Answer::parse(refused).unwrap().fields["Code"], "AccessDenied");
        assert_eq!(Answer::parse("<a><b>"), Some(Answer::default()));
        assert_eq!(Answer::parse("<a></b>"), None);
    }
}
