//! Resolves `!Ref`, `!GetAtt`, `!Sub`, lists, conditions and rules, and gives resources their local names.

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
        for (_, rule) in root.get("Rules").map(Node::entries).unwrap_or_default() {
            names.check_rule(rule)?;
        }
        Ok(names)
    }

    /// Whether the parameters keep a rule; the error is its own text.
    fn check_rule(&self, rule: &Node) -> Result<(), LineError> {
        let applies = rule.get("RuleCondition").map_or(Ok(true), |it| self.condition_holds(it))?;
        for assertion in rule.get("Assertions").map(Node::items).unwrap_or_default() {
            let assert = assertion.get("Assert").ok_or((assertion.line, "`Assert` is missing".to_owned()))?;
            if applies && !self.condition_holds(assert)? {
                let text = assertion.get("AssertDescription").and_then(Node::text);
                return Err((assertion.line, text.unwrap_or("the parameters break a rule").to_owned()));
            }
        }
        Ok(())
    }

    /// Whether a resource is made: it has no condition, or its condition holds.
    pub(crate) fn is_made(&self, resource: &Node) -> Result<bool, LineError> {
        resource.get("Condition").map_or(Ok(true), |it| self.named_condition(it))
    }

    /// Whether the condition holds whose name a node is. A condition stands behind those that it uses.
    fn named_condition(&self, name: &Node) -> Result<bool, LineError> {
        let text = name.text().unwrap_or_default();
        self.conditions.get(text).copied().ok_or_else(|| (name.line, format!("there is no condition `{text}`")))
    }

    fn condition_holds(&self, node: &Node) -> Result<bool, LineError> {
        match (node.tag.as_deref(), node.items()) {
            (Some("Not"), [inner]) => self.condition_holds(inner).map(|it| !it),
            (Some("Equals"), [one, other]) => Ok(self.text(one)? == self.text(other)?),
            (Some("And"), all) => all.iter().try_fold(true, |so_far, it| Ok(self.condition_holds(it)? && so_far)),
            (Some("Or"), all) => all.iter().try_fold(false, |so_far, it| Ok(self.condition_holds(it)? || so_far)),
            (Some("Condition"), _) => self.named_condition(node),
            _ => Err((node.line, "a condition is `!Equals`, `!Not`, `!And`, `!Or` or `!Condition` here".to_owned())),
        }
    }

    /// The text of a value with its references resolved. The error has the line.
    pub(crate) fn text(&self, node: &Node) -> Result<String, LineError> {
        match (node.tag.as_deref(), node.items()) {
            (Some("If"), [condition, yes, no]) => {
                return self.text(if self.named_condition(condition)? { yes } else { no });
            }
            (Some("Join"), [separator, list]) => return Ok(self.list(list)?.join(&self.text(separator)?)),
            (Some("Select"), [index, list]) => {
                let text = self.text(index)?;
                let found = text.parse().ok().and_then(|at: usize| self.list(list).ok()?.into_iter().nth(at));
                return found.ok_or_else(|| (node.line, format!("the list has no item {text}")));
            }
            (Some("Sub"), [template, variables]) => {
                let mut known = BTreeMap::new();
                for (name, value) in variables.entries() {
                    known.insert(name.as_str(), self.text(value)?);
                }
                let text = template.text().unwrap_or_default();
                return self.substitute(text, &known).map_err(|it| (node.line, it));
            }
            _ => {}
        }
        let Value::Scalar(text) = &node.value else {
            return Err((node.line, "a text is expected here".to_owned()));
        };
        match node.tag.as_deref() {
            None => Ok(text.clone()),
            Some("Ref") => self.reference(text).map_err(|it| (node.line, it)),
            Some("GetAtt") => self.attribute(text).map_err(|it| (node.line, it)),
            Some("Sub") => self.substitute(text, &BTreeMap::new()).map_err(|it| (node.line, it)),
            Some(other) => Err((node.line, format!("`!{other}` is not known to the local stack here"))),
        }
    }

    /// The texts of a list, or of what `!Split` makes one.
    fn list(&self, node: &Node) -> Result<Vec<String>, LineError> {
        match (node.tag.as_deref(), node.items()) {
            (Some("Split"), [separator, text]) => {
                let (separator, text) = (self.text(separator)?, self.text(text)?);
                Ok(text.split(&separator).map(str::to_owned).collect())
            }
            (None, items) if matches!(node.value, Value::Sequence(_)) => items.iter().map(|it| self.text(it)).collect(),
            _ => Err((node.line, "a list is expected here".to_owned())),
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
            ("AWS::IAM::Role", "Arn") => Ok(format!("arn:aws:iam::{ACCOUNT}:role/{physical}")),
            ("AWS::KMS::Key", "Arn") => Ok(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{physical}")),
            ("AWS::Serverless::Function", "Arn") => {
                Ok(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{physical}"))
            }
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => Ok(self.emulator_urls.http.clone()),
            (kind, attribute) => Err(format!("`{attribute}` of a {kind} is not known to the local stack")),
        }
    }

    /// Replaces each `${…}`: by a variable of the `!Sub` itself, or a reference.
    fn substitute(&self, text: &str, variables: &BTreeMap<&str, String>) -> Result<String, String> {
        let (mut done, mut rest) = (String::new(), text);
        while let Some(start) = rest.find("${") {
            let end = rest[start..].find('}').ok_or("a `${` is not closed")? + start;
            let name = &rest[start + 2..end];
            done.push_str(&rest[..start]);
            done.push_str(&match variables.get(name) {
                Some(value) => value.clone(),
                None if name.contains('.') => self.attribute(name)?,
                None => self.reference(name)?,
            });
            rest = &rest[end + 1..];
        }
        Ok(done + rest)
    }
}
