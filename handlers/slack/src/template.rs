//! Messages in an admin's own words.
//!
//! Templates are Jinja's, with the event as `event`: `{{ event.client.name }}`. Those that were
//! written for the community's handler, in ERB, are read as far as they only show attributes:
//! `<%= @event["client"]["name"] %>`.

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Output, State, UndefinedBehavior, Value};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use venus_event::Event;

/// A template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Its file cannot be read.
    #[error("cannot read the template {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It does more in ERB than show attributes.
    #[error(
        "{}, line {line}: of ERB only <%= @event['a']['b'] %> is understood; \
         write it as {{{{ event.a.b }}}}, with Jinja's {{% if %}} and {{% for %}}",
        path.display()
    )]
    Erb {
        /// The file.
        path: PathBuf,
        /// Where, from 1 on.
        line: usize,
    },
    /// It is no template, or what it does fails.
    #[error("{}: {what}", path.display())]
    Jinja {
        /// The file.
        path: PathBuf,
        /// What is wrong, and on which line.
        what: String,
    },
    /// What was to be the payload is none.
    #[error("{} gives no JSON object: {what}", path.display())]
    Payload {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Reads the file and fills it with the event, each value of which becomes what `escape` makes of
/// it, so that it stays data.
pub(crate) fn render(
    path: &Path,
    event: &Event,
    escape: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Result<String, TemplateError> {
    let text = fs::read_to_string(path).map_err(|source| TemplateError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = from_erb(&text).map_err(|line| TemplateError::Erb {
        path: path.to_owned(),
        line,
    })?;
    let mut environment = Environment::new();
    // An attribute that is not there shows as nothing, however deep it would be.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_formatter(move |out, state, value| format(out, state, value, &escape));
    let event = Value::from(Serde(event));
    environment
        .render_str(&text, minijinja::context! { event })
        .map_err(|error| TemplateError::Jinja {
            path: path.to_owned(),
            // Of several lines the first says it.
            what: error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
}

fn format(
    out: &mut Output<'_>,
    _: &State<'_, '_>,
    value: &Value,
    escape: &dyn Fn(&str) -> String,
) -> Result<(), minijinja::Error> {
    let text = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return Ok(()),
        _ if value.is_safe() => value.to_string(),
        _ => escape(&value.to_string()),
    };
    out.write_str(&text).map_err(minijinja::Error::from)
}

/// For the payload: what stands inside the quotes of a string of JSON.
pub(crate) fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned()
}

/// The same in Jinja; or the line of what is not understood.
fn from_erb(text: &str) -> Result<String, usize> {
    let mut jinja = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<%") {
        jinja.push_str(before);
        let line = 1 + text.matches('\n').count() - after.matches('\n').count();
        let (code, after) = after.split_once("%>").ok_or(line)?;
        let shown = code.strip_prefix('=').ok_or(line)?;
        let shown = shown.trim().strip_prefix("@event").ok_or(line)?;
        if !is_path(shown) {
            return Err(line);
        }
        jinja.push_str(&format!("{{{{ event{shown} }}}}"));
        rest = after;
    }
    jinja.push_str(rest);
    Ok(jinja)
}

/// Whether it is `['a']["b"]…`.
fn is_path(text: &str) -> bool {
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let Some(quote) = inner.chars().next().filter(|quote| "'\"".contains(*quote)) else {
            return false;
        };
        let inner = inner.get(1..).unwrap_or_default();
        let Some((key, after)) = inner.split_once(quote) else {
            return false;
        };
        if key.contains(['\\', '{', '}']) {
            return false;
        }
        match after.strip_prefix(']') {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty() && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str, escape: fn(&str) -> String) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), template).unwrap();
        let event = json!({
            "client": {"name": "venus<1>", "tags": ["a", "b"]},
            "check": {"name": "k", "status": 2, "output": "say \"no\"\n", "x": null},
        });
        let event = Event::from_json(event.to_string().as_bytes()).unwrap();
        let rendered = render(file.path(), &event, escape);
        let path = file.path().display().to_string();
        rendered.map_err(|error| error.to_string().replace(&path, "T"))
    }

    fn plain(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn attributes_are_shown_in_either_form() {
        for (template, text) in [
            (
                "{{ event.client.name }} {{ event.check.status }}",
                "venus<1> 2",
            ),
            (
                r#"<%= @event["client"]['name'] %>/<%=@event['check']["name"]%>"#,
                "venus<1>/k",
            ),
            ("{{ event.no.such.thing }}{{ event.check.x }}|", "|"),
            ("<%= @event['no']['such'] %>|", "|"),
            (
                "{% for tag in event.client.tags %}#{{ tag }} {% endfor %}",
                "#a #b ",
            ),
            ("{% if event.check.status > 1 %}bad{% endif %}", "bad"),
            ("plain", "plain"),
        ] {
            assert_eq!(rendered(template, plain).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_comes_from_the_event_stays_data() {
        let slack = |text: &str| text.replace('<', "&lt;").replace('>', "&gt;");
        let got = rendered("<b>{{ event.client.name }}", slack);
        assert_eq!(got.as_deref(), Ok("<b>venus&lt;1&gt;"));
        let json = rendered(r#"{"text": "{{ event.check.output }}"}"#, in_json).unwrap();
        assert_eq!(json, r#"{"text": "say \"no\"\n"}"#);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let erb = "T, line 2: of ERB only <%= @event['a']['b'] %> is understood; \
                   write it as {{ event.a.b }}, with Jinja's {% if %} and {% for %}";
        for bad in [
            "\n<% if x %>",
            "\n<%= @event %>",
            "\n<%= `ls` %>",
            "\n<%= @event['a'].upcase %>",
            "\n<%= @event['a",
            "\n<%= @event['a{{'] %>",
        ] {
            assert_eq!(rendered(bad, plain).unwrap_err(), erb, "{bad:?}");
        }
        let jinja = rendered("{% if %}", plain).unwrap_err();
        assert!(jinja.starts_with("T: syntax error: "), "{jinja}");
        let event = json!({"client": {"name": "c"}, "check": {"name": "k", "status": 1}});
        let event = Event::from_json(event.to_string().as_bytes()).unwrap();
        let error = render(Path::new("/nowhere"), &event, plain).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the template /nowhere: No such file or directory (os error 2)"
        );
    }
}
