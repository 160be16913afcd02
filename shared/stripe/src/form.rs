//! Parameters of a request, as Stripe takes them: `application/x-www-form-urlencoded`, with brackets in names.

/// Parameters in their order.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// With one more parameter.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// With one more parameter, if there is a value.
    pub(crate) fn with_optional(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters as a body, or as a query.
    pub(crate) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_brackets_and_values_are_escaped() {
        let form = Form::default().with("items[0][price]", "price_a").with("metadata[cta]", "a b&c=é");
        let form = form.with("quantity", 2).with_optional("trial_end", None::<&str>).with_optional("x", Some("y"));
        assert_eq!(form.encoded(), "items%5B0%5D%5Bprice%5D=price_a&metadata%5Bcta%5D=a+b%26c%3D%C3%A9&quantity=2&x=y");
        assert!(Form::default().is_empty() && Form::default().encoded().is_empty() && !form.is_empty());
    }
}
