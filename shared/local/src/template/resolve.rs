//! Resolves `!Ref`, `!GetAtt`, `!Sub` and conditions, and gives resources their local names.

use std::collections::BTreeMap;

use super::model::EmulatorUrls;
use crate::account::{ACCOUNT, REGION, queue_arn, queue_url};
use crate::yaml::{LineError, Node, Value};

/// Resolves references and conditions of a template.
pub(crate) struct Resolver {
    parameters: BTreeMap<String, String>,
    /// Logical name → type.
    resources: BTreeMap<String, String>,
    conditions: BTreeMap<String, bool>,
    emulator_urls: EmulatorUrls,
}

/// The local name of a resource (its physical id). It has at least 11 letters, because boto3 refuses the stream of a
/// table with a shorter name.
pub(crate) fn physical_name(logical: &str) -> String {
    format!("notifications-{logical}")
}

impl Resolver {
    pub(crate) fn new(
        root: &Node,
        overrides: &BTreeMap<String, String>,
        emulator_urls: &EmulatorUrls,
    ) -> Result<Self, LineError> {
        let mut parameters = BTreeMap::new();
        for (name, node) in root.get("Parameters").map(Node::entries).unwrap_or_default() {
            let default = node.get("Default").and_then(Node::text).map(str::to_owned);
            let value = overrides.get(name).cloned().or(default);
            let value = value
                .ok_or_else(|| (node.line, format!("the parameter `{name}` has neither a value nor a default")))?;
            parameters.insert(name.clone(), value);
        }
        if let Some(unknown) = overrides.keys().find(|it| !parameters.contains_key(*it)) {
            return Err((1, format!("there is no parameter `{unknown}`")));
        }
        let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
        let typed = |(name, node): &(String, Node)| {
            (name.clone(), node.get("Type").and_then(Node::text).unwrap_or_default().to_owned())
        };
        let resources = resources.iter().map(typed).collect();
        let mut names =
            Self { parameters, resources, conditions: BTreeMap::new(), emulator_urls: emulator_urls.clone() };
        for (name, node) in root.get("Conditions").map(Node::entries).unwrap_or_default() {
            let holds = names.condition_holds(node)?;
            names.conditions.insert(name.clone(), holds);
        }
        Ok(names)
    }

    fn condition_holds(&self, node: &Node) -> Result<bool, LineError> {
        match (node.tag.as_deref(), node.items()) {
            (Some("Not"), [inner]) => self.condition_holds(inner).map(|it| !it),
            (Some("Equals"), [one, other]) => Ok(self.text(one)? == self.text(other)?),
            _ => Err((node.line, "a condition is `!Equals` or `!Not` here".to_owned())),
        }
    }

    /// The text of a value with its references resolved. The error has the line.
    pub(crate) fn text(&self, node: &Node) -> Result<String, LineError> {
        if let (Some("If"), [condition, yes, no]) = (node.tag.as_deref(), node.items()) {
            let name = condition.text().unwrap_or_default();
            let holds = self.conditions.get(name);
            let holds = holds.ok_or_else(|| (condition.line, format!("there is no condition `{name}`")))?;
            return self.text(if *holds { yes } else { no });
        }
        if let (Some("Select"), [index, list]) = (node.tag.as_deref(), node.items()) {
            return self.select(index, list);
        }
        let Value::Scalar(text) = &node.value else {
            return Err((node.line, "a text is expected here".to_owned()));
        };
        match node.tag.as_deref() {
            None => Ok(text.clone()),
            Some("Ref") => self.reference(text).map_err(|it| (node.line, it)),
            Some("GetAtt") => self.attribute(text).map_err(|it| (node.line, it)),
            Some("Sub") => self.substitute(text).map_err(|it| (node.line, it)),
            Some(other) => Err((node.line, format!("`!{other}` is not known to the local stack here"))),
        }
    }

    /// A part of a text, by its index.
    fn select(&self, index: &Node, list: &Node) -> Result<String, LineError> {
        let (Some("Split"), [separator, whole]) = (list.tag.as_deref(), list.items()) else {
            return Err((list.line, "`!Select` is of a `!Split` here".to_owned()));
        };
        let (separator, whole) = (self.text(separator)?, self.text(whole)?);
        let part = self.text(index)?.parse().ok().and_then(|it| whole.split(separator.as_str()).nth(it));
        part.map(str::to_owned).ok_or_else(|| (index.line, format!("`{whole}` has no such part")))
    }

    fn reference(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        match name {
            "AWS::Region" => return Ok(REGION.to_owned()),
            "AWS::AccountId" => return Ok(ACCOUNT.to_owned()),
            "AWS::Partition" => return Ok("aws".to_owned()),
            "AWS::StackName" => return Ok("local".to_owned()),
            "AWS::StackId" => {
                return Ok(format!(
                    "arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/00000000-0000-4000-8000-000000000000"
                ));
            }
            "AWS::URLSuffix" => return Ok("amazonaws.com".to_owned()),
            _ => {}
        }
        let physical = physical_name(name);
        match self.resources.get(name).map(String::as_str) {
            Some("AWS::SQS::Queue") => Ok(queue_url(&self.emulator_urls.sqs, &physical)),
            Some("AWS::DynamoDB::Table" | "AWS::Serverless::Function") => Ok(physical),
            Some("AWS::S3::Bucket") => Ok(physical.to_lowercase()),
            Some("AWS::KMS::Key") => Ok(physical),
            Some("AWS::Serverless::HttpApi" | "AWS::Serverless::WebSocketApi") => Ok("local".to_owned()),
            Some(other) => Err(format!("`!Ref` of a {other} is not known to the local stack")),
            None => Err(format!("there is nothing called `{name}`")),
        }
    }

    fn attribute(&self, path: &str) -> Result<String, String> {
        let (name, attribute) =
            path.split_once('.').ok_or_else(|| format!("`{path}` is not of the form Resource.Attribute"))?;
        let physical = physical_name(name);
        let kind = self.resources.get(name).ok_or_else(|| format!("there is nothing called `{name}`"))?;
        match (kind.as_str(), attribute) {
            ("AWS::SQS::Queue", "Arn") => Ok(queue_arn(&physical)),
            ("AWS::SQS::Queue", "QueueName") => Ok(physical),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{physical}/stream/local"))
            }
            ("AWS::DynamoDB::Table", "Arn") => Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{physical}")),
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:aws:s3:::{}", physical.to_lowercase())),
            ("AWS::KMS::Key", "Arn") => Ok(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{physical}")),
            ("AWS::Serverless::Function", "Arn") => {
                Ok(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{physical}"))
            }
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => Ok(self.emulator_urls.http.clone()),
            (kind, attribute) => Err(format!("`{attribute}` of a {kind} is not known to the local stack")),
        }
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let (mut done, mut rest) = (String::new(), text);
        while let Some(start) = rest.find("${") {
            let end = rest[start..].find('}').ok_or("a `${` is not closed")? + start;
            let name = &rest[start + 2..end];
            done.push_str(&rest[..start]);
            done.push_str(&if name.contains('.') { self.attribute(name) } else { self.reference(name) }?);
            rest = &rest[end + 1..];
        }
        Ok(done + rest)
    }
}
