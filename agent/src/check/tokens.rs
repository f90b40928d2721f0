//! Tokens: `:::path.to.key|default:::` becomes the client's attribute.

use crate::settings::Client;
use serde_json::Value;
use venus_event::Attributes;

/// Substitutes tokens from a client's attributes and remembers those that
/// nothing stands for.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    client: &'a Client,
    unmatched: Vec<String>,
}

/// A copy of a check's definition with its tokens substituted, and the message
/// about those that nothing stands for, if there are any.
#[must_use]
pub fn substituted(check: &Attributes, client: &Client) -> (Attributes, Option<String>) {
    let mut tokens = Tokens::of(client);
    let values = check.iter();
    let substituted = values.map(|(key, value)| (key.clone(), tokens.substitute(value)));
    let substituted = substituted.collect();
    (substituted, tokens.unmatched())
}

/// Whether there is a token anywhere in a check's definition.
pub(super) fn has_tokens(check: &Attributes) -> bool {
    fn has(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(":::"),
            Value::Array(items) => items.iter().any(has),
            Value::Object(object) => has_tokens(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    check.values().any(has)
}

impl<'a> Tokens<'a> {
    /// Tokens of this client.
    #[must_use]
    pub(super) fn of(client: &'a Client) -> Self {
        Self {
            client,
            unmatched: Vec::new(),
        }
    }

    /// The tokens that had no value and no default, as the message that Sensu
    /// publishes; none where all of them matched.
    #[must_use]
    pub(super) fn unmatched(&self) -> Option<String> {
        let all = self.unmatched.join(", ");
        (!self.unmatched.is_empty()).then(|| format!("Unmatched client token(s): {all}"))
    }

    /// A copy of `value` in which each string, at any depth, has its tokens
    /// substituted.
    pub(super) fn substitute(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.substitute_text(text)),
            Value::Array(items) => items.iter().map(|item| self.substitute(item)).collect(),
            Value::Object(object) => object
                .iter()
                .map(|(key, value)| (key.clone(), self.substitute(value)))
                .collect(),
            plain => plain.clone(),
        }
    }

    /// The same for one string.
    pub(super) fn substitute_text(&mut self, text: &str) -> String {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(":::") {
            done.push_str(before);
            if let Some((token, remainder)) = split_token(after) {
                done.push_str(&self.value_of(token));
                rest = remainder;
            } else {
                // No token begins here; the next one may begin one colon later.
                done.push(':');
                rest = rest.get(before.len() + 1..).unwrap_or_default();
            }
        }
        done.push_str(rest);
        done
    }

    fn value_of(&mut self, token: &str) -> String {
        let mut parts = token.split('|');
        let path = parts.next().unwrap_or_default();
        let default = parts.next();
        let found = self.client.lookup(path).and_then(as_text);
        if let Some(text) = found.or_else(|| default.map(str::to_owned)) {
            return text;
        }
        self.unmatched.push(path.to_owned());
        String::new()
    }
}

/// `token:::remainder`, where a token neither begins with a colon nor spans lines.
fn split_token(after: &str) -> Option<(&str, &str)> {
    let mut characters = after.chars();
    let first = characters.next().filter(|first| *first != ':')?;
    let (inner, remainder) = characters.as_str().split_once(":::")?;
    let token = after.get(..first.len_utf8() + inner.len())?;
    (!token.contains('\n')).then_some((token, remainder))
}

/// An attribute as it stands in a command; an object has no such form.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            Some(format!("[{}]", items.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::reader::Reader;
    use serde_json::json;

    fn client() -> Client {
        let attributes = json!({
            "name": "venus001", "rack": "r1", "ports": 2, "on": false,
            "list": ["a", "b"], "ib": {"device": "mlx4_0"},
        });
        Client::read(&mut Reader::new(
            "client",
            attributes.as_object().unwrap(),
            &mut Vec::new(),
        ))
    }

    fn substituted(text: &str) -> (String, Option<String>) {
        let client = client();
        let mut tokens = Tokens::of(&client);
        (tokens.substitute_text(text), tokens.unmatched())
    }

    #[test]
    fn f4_tokens_become_client_attributes_or_their_defaults() {
        for (text, expected) in [
            ("echo :::rack::: :::nothere|dflt:::", "echo r1 dflt"),
            (":::ib.device::::::ports:::", "mlx4_02"),
            (":::on::: :::list:::", r#"false ["a", "b"]"#),
            (":::x|::: :::ib|d:::", " d"),
            ("a :: b ::: c", "a :: b ::: c"),
            ("::::rack:::", ":r1"),
            ("::::::", "::::::"),
        ] {
            assert_eq!(substituted(text), (expected.to_owned(), None), "{text}");
        }
    }

    #[test]
    fn f4_what_matches_nothing_is_listed() {
        let (_, unmatched) = substituted(":::nothere::: :::ib.x::: :::ib:::");
        assert_eq!(
            unmatched.unwrap(),
            "Unmatched client token(s): nothere, ib.x, ib"
        );
    }

    #[test]
    fn f4_strings_at_any_depth_are_substituted() {
        let client = client();
        let mut tokens = Tokens::of(&client);
        let value = tokens.substitute(&json!({"a": [":::rack:::", 1, {"b": ":::ports:::"}]}));
        assert_eq!(value, json!({"a": ["r1", 1, {"b": "2"}]}));
    }
}
