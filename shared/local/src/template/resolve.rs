//! `!Ref`, `!GetAtt` and `!Sub`, and the names that the local stack gives to resources.

use std::collections::BTreeMap;

use super::{Places, queue_arn, queue_url};
use crate::yaml::{Node, Value};
use crate::{ACCOUNT, REGION};

type Wrong = (usize, String);

/// What names stand for.
pub(crate) struct Names {
    parameters: BTreeMap<String, String>,
    /// Logical name → type.
    resources: BTreeMap<String, String>,
    conditions: BTreeMap<String, bool>,
    places: Places,
}

/// The local name of a resource; at least 11 letters, since boto3 refuses the stream of a table with a shorter name.
pub(crate) fn local_name(logical: &str) -> String {
    format!("notifications-{logical}")
}

impl Names {
    pub(crate) fn new(root: &Node, given: &BTreeMap<String, String>, places: &Places) -> Result<Self, Wrong> {
        let mut parameters = BTreeMap::new();
        for (name, node) in root.get("Parameters").map(Node::entries).unwrap_or_default() {
            let default = node.get("Default").and_then(Node::text).map(str::to_owned);
            let value = given.get(name).cloned().or(default);
            let value = value
                .ok_or_else(|| (node.line, format!("the parameter `{name}` has neither a value nor a default")))?;
            parameters.insert(name.clone(), value);
        }
        if let Some(unknown) = given.keys().find(|it| !parameters.contains_key(*it)) {
            return Err((1, format!("there is no parameter `{unknown}`")));
        }
        let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
        let typed = |(name, node): &(String, Node)| {
            (name.clone(), node.get("Type").and_then(Node::text).unwrap_or_default().to_owned())
        };
        let resources = resources.iter().map(typed).collect();
        let mut names = Self { parameters, resources, conditions: BTreeMap::new(), places: places.clone() };
        for (name, node) in root.get("Conditions").map(Node::entries).unwrap_or_default() {
            let holds = names.holds(node)?;
            names.conditions.insert(name.clone(), holds);
        }
        Ok(names)
    }

    fn holds(&self, node: &Node) -> Result<bool, Wrong> {
        match (node.tag.as_deref(), node.items()) {
            (Some("Not"), [inner]) => self.holds(inner).map(|it| !it),
            (Some("Equals"), [one, other]) => Ok(self.text(one)? == self.text(other)?),
            _ => Err((node.line, "a condition is `!Equals` or `!Not` here".to_owned())),
        }
    }

    /// The text of a value, with its references resolved.
    pub(crate) fn text(&self, node: &Node) -> Result<String, Wrong> {
        if let (Some("If"), [condition, yes, no]) = (node.tag.as_deref(), node.items()) {
            let name = condition.text().unwrap_or_default();
            let holds = self.conditions.get(name);
            let holds = holds.ok_or_else(|| (condition.line, format!("there is no condition `{name}`")))?;
            return self.text(if *holds { yes } else { no });
        }
        let Value::Text(text) = &node.value else {
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

    fn reference(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        match name {
            "AWS::Region" => return Ok(REGION.to_owned()),
            "AWS::AccountId" => return Ok(ACCOUNT.to_owned()),
            "AWS::Partition" => return Ok("aws".to_owned()),
            "AWS::StackName" => return Ok("local".to_owned()),
            "AWS::URLSuffix" => return Ok("amazonaws.com".to_owned()),
            _ => {}
        }
        let local = local_name(name);
        match self.resources.get(name).map(String::as_str) {
            Some("AWS::SQS::Queue") => Ok(queue_url(&self.places.sqs, &local)),
            Some("AWS::DynamoDB::Table" | "AWS::Serverless::Function") => Ok(local),
            Some("AWS::S3::Bucket") => Ok(local.to_lowercase()),
            Some("AWS::KMS::Key") => Ok(local),
            Some("AWS::Serverless::HttpApi" | "AWS::Serverless::WebSocketApi") => Ok("local".to_owned()),
            Some(other) => Err(format!("`!Ref` of a {other} is not known to the local stack")),
            None => Err(format!("there is nothing called `{name}`")),
        }
    }

    fn attribute(&self, path: &str) -> Result<String, String> {
        let (name, attribute) =
            path.split_once('.').ok_or_else(|| format!("`{path}` is not of the form Resource.Attribute"))?;
        let local = local_name(name);
        let kind = self.resources.get(name).ok_or_else(|| format!("there is nothing called `{name}`"))?;
        match (kind.as_str(), attribute) {
            ("AWS::SQS::Queue", "Arn") => Ok(queue_arn(&local)),
            ("AWS::SQS::Queue", "QueueName") => Ok(local),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{local}/stream/local"))
            }
            ("AWS::DynamoDB::Table", "Arn") => Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{local}")),
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:aws:s3:::{}", local.to_lowercase())),
            ("AWS::KMS::Key", "Arn") => Ok(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{local}")),
            ("AWS::Serverless::Function", "Arn") => Ok(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{local}")),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => Ok(self.places.http.clone()),
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
