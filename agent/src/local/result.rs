//! Results that somebody on this node hands in as JSON.

use crate::settings::check::{read_event, read_source};
use crate::settings::reader::{Reader, is_name};
use serde_json::{Value, json};
use venus_event::Attributes;

/// What a message amounts to.
#[derive(Debug, Default)]
pub struct Message {
    /// Valid results, in their order.
    pub results: Vec<Attributes>,
    /// What is wrong with the first that is not valid; those after it are not
    /// looked at, as in Sensu.
    pub problem: Option<String>,
}

/// Why something is no message.
#[derive(Debug, PartialEq, Eq)]
pub enum NoMessage {
    /// It breaks off: more may come.
    Unfinished,
    /// It is no JSON, or neither an object nor an array.
    Invalid(String),
}

/// Reads a result, or an array of results, that arrived at `now` (seconds since
/// the epoch).
pub fn read(text: &[u8], now: u64) -> Result<Message, NoMessage> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() {
            NoMessage::Unfinished
        } else {
            NoMessage::Invalid(error.to_string())
        }
    })?;
    let entries = match value {
        Value::Array(entries) => entries,
        Value::Object(_) => vec![value],
        _ => return Err(NoMessage::Invalid("neither object nor array".to_owned())),
    };
    let mut message = Message::default();
    for entry in entries {
        match complete(entry, now) {
            Ok(result) => message.results.push(result),
            Err(problem) => {
                message.problem = Some(problem);
                break;
            }
        }
    }
    Ok(message)
}

fn complete(entry: Value, now: u64) -> Result<Attributes, String> {
    let Value::Object(mut result) = entry else {
        return Err("a result must be an object".to_owned());
    };
    result.entry("status").or_insert(json!(0));
    result.entry("executed").or_insert(json!(now));
    // Ours alone: whoever sends one has it moved to the end, as in Sensu.
    result.shift_remove("issued");
    result.insert("issued".to_owned(), json!(now));
    let mut problems = Vec::new();
    let mut reader = Reader::new("check", &result, &mut problems);
    let name = reader.required_string("name");
    if name.is_some_and(|name| !is_name(name)) {
        reader.problem("name", "cannot contain spaces or special characters");
    }
    reader.required_string("output");
    for key in ["status", "executed"] {
        if reader.get(key).is_none() {
            reader.problem(key, "must be an integer");
        }
        reader.integer(key);
    }
    read_source(&mut reader);
    read_event(&mut reader);
    match problems.into_iter().next() {
        Some(problem) => Err(problem.message),
        None => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn g_a_result_is_completed_as_sensu_does() {
        const CAPTURED: [&str; 2] = [
            include_str!("../../../tests/fixtures/wire/result-fromsock.json"),
            include_str!("../../../tests/fixtures/wire/result-fromhttp.json"),
        ];
        for captured in CAPTURED {
            let captured: Value = serde_json::from_str(captured).unwrap();
            let check = &captured["payload"]["check"];
            let mut sent = check.as_object().unwrap().clone();
            for added in ["executed", "issued"] {
                sent.shift_remove(added);
            }
            let sent = Value::Object(sent).to_string();
            let now = check["issued"].as_u64().unwrap();
            let message = read(sent.as_bytes(), now).unwrap();
            assert_eq!(message.problem, None);
            let [result] = &message.results[..] else {
                unreachable!()
            };
            assert_eq!(Value::Object(result.clone()).to_string(), check.to_string());
        }
    }

    #[test]
    fn g_the_first_wrong_result_of_an_array_ends_it() {
        let sent = br#"[{"name": "a", "output": ""}, {"name": "b"}, {"name": "c", "output": ""}]"#;
        let message = read(sent, 1).unwrap();
        assert_eq!(message.results.len(), 1);
        assert_eq!(
            message.problem.as_deref(),
            Some("check output must be a string")
        );
    }

    #[test]
    fn g_bad_input_is_refused_with_a_reason() {
        let with = |more: &str| format!("{{\"name\": \"a\", \"output\": \"\", {more}}}");
        for (text, says) in [
            (
                r#"{"name": "a b", "output": ""}"#.to_owned(),
                "check name cannot contain",
            ),
            (
                r#"{"output": ""}"#.to_owned(),
                "check name must be a string",
            ),
            (
                r#"{"name": "a\u0000", "output": ""}"#.to_owned(),
                "check name cannot contain",
            ),
            (with("\"status\": \"1\""), "check status must be an integer"),
            (with("\"status\": null"), "check status must be an integer"),
            (with("\"status\": 1e300"), "check status must be an integer"),
            (
                with("\"executed\": 99999999999999999999"),
                "check executed must be an integer",
            ),
            (
                with("\"handlers\": \"x\""),
                "check handlers must be an array",
            ),
            (with("\"ttl\": 0"), "check ttl must be greater than 0"),
            (with("\"source\": \"a b\""), "check source cannot contain"),
            ("[[]]".to_owned(), "a result must be an object"),
        ] {
            let message = read(text.as_bytes(), 1).unwrap();
            let problem = message.problem.unwrap_or_default();
            assert!(problem.starts_with(says), "{text}: {problem}");
        }
        let deep = "[".repeat(100_000);
        for text in ["5", "nope", "{\"a\": \u{0}", "\u{1}\u{2}", &deep] {
            let read = read(text.as_bytes(), 1);
            assert!(matches!(read, Err(NoMessage::Invalid(_))), "{read:?}");
        }
        for text in ["", "{", "[{\"name\": \"a\"", "{\"name\": \"a\u{0}\"}"] {
            assert!(read(text.as_bytes(), 1).is_err());
        }
    }

    proptest! {
        #[test]
        fn g_nothing_that_arrives_is_a_surprise(text in vec(any::<u8>(), 0..200)) {
            if let Ok(message) = read(&text, 1) {
                let named = |result: &Attributes| result["name"].is_string();
                prop_assert!(message.results.iter().all(named));
            }
        }

        #[test]
        fn g_every_beginning_of_a_message_waits_for_its_end(
            output in any::<String>(),
            more in any::<Option<i64>>(),
            several in any::<bool>(),
        ) {
            let result = json!({"name": "a", "output": output, "more": [more, {"x": output}]});
            let message = if several { json!([result, result]) } else { result };
            let text = message.to_string();
            for end in 0..text.len() {
                let beginning = &text.as_bytes()[..end];
                prop_assert_eq!(read(beginning, 1).unwrap_err(), NoMessage::Unfinished);
            }
            let whole = read(text.as_bytes(), 1).unwrap();
            prop_assert_eq!(whole.results.len(), if several { 2 } else { 1 });
            prop_assert_eq!(&whole.results[0]["output"], &json!(output));
        }
    }
}
