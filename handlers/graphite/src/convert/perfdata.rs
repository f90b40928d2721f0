//! Performance data, as the plugins of Nagios print them after a `|`.

use super::Sink;
use crate::lines::Fault;

const FORM: Fault = Fault::Form("'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX");

/// The first line has data after its `|`. Of the lines below it, which are text, the first with a
/// `|` begins the rest of the data.
pub(super) fn convert(output: &str, sink: &mut Sink<'_>) {
    let mut lines = output.lines();
    if let Some((_, data)) = lines.next().and_then(|line| line.split_once('|')) {
        convert_line(data, sink);
    }
    let mut is_data = false;
    for line in lines {
        if is_data {
            convert_line(line, sink);
        } else if let Some((_, data)) = line.split_once('|') {
            is_data = true;
            convert_line(data, sink);
        }
    }
}

fn convert_line(data: &str, sink: &mut Sink<'_>) {
    let now = sink.now;
    let mut rest = data.trim_start();
    while !rest.is_empty() {
        let text = rest;
        let (label, after) = label(rest);
        // Whatever it is, the next one begins after the next blank.
        let (item, next) = cut_blank(after.unwrap_or(rest));
        rest = next;
        let Some((label, value)) = label.zip(after.map(|_| item)) else {
            sink.lines.leave_out(text, FORM);
            continue;
        };
        let value = value.split(';').next().unwrap_or_default();
        match number(value) {
            _ if value == "U" => {}
            Some(number) => sink.of_check(text, &label, number, Ok(now)),
            None => sink.lines.leave_out(text, Fault::Value),
        }
    }
}

/// The label, and what follows its `=`.
fn label(text: &str) -> (Option<String>, Option<&str>) {
    let Some(mut rest) = text.strip_prefix('\'') else {
        // Within this word, as the next `=` may be far away.
        let (word, _) = cut_blank(text);
        return match word.split_once('=') {
            Some((label, _)) if !label.is_empty() => {
                let rest = text
                    .strip_prefix(label)
                    .and_then(|rest| rest.strip_prefix('='));
                (Some(label.to_owned()), rest)
            }
            _ => (None, None),
        };
    };
    let mut label = String::new();
    // Two quotes within a label are one.
    while let Some((part, after)) = rest.split_once('\'') {
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None if label.is_empty() => break,
            None => return (Some(label), after.strip_prefix('=')),
        }
    }
    (None, None)
}

fn cut_blank(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((item, rest)) => (item, rest.trim_start()),
        None => (text, ""),
    }
}

/// The number before the unit, as it stands there; the unit is letters or `%`.
fn number(value: &str) -> Option<&str> {
    let unit = value.trim_start_matches(|character: char| {
        character.is_ascii_digit() || matches!(character, '+' | '-' | '.')
    });
    // `1e5` is a number, `1e` would be one with a unit.
    let exponent = unit.strip_prefix(['e', 'E']).map(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        digits.trim_start_matches(|character: char| character.is_ascii_digit())
    });
    let unit = match exponent {
        Some(after) if after.len() + 1 < unit.len() && !unit.ends_with(['+', '-']) => after,
        _ => unit,
    };
    let is_unit = unit
        .chars()
        .all(|character| character.is_alphabetic() || matches!(character, '%' | '°'));
    let number = value.strip_suffix(unit)?;
    (is_unit && !number.is_empty()).then_some(number)
}
