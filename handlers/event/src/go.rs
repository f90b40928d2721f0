//! Events of Sensu Go, in the shape of Sensu Core's.

use serde_json::{Map, Value, json};

/// The event with `client` and `check` as Sensu Core has them, if this is one of Sensu Go: it has an
/// `entity`. What has no counterpart stays where it is.
pub(crate) fn to_core(whole: &Value) -> Option<Value> {
    let entity = whole.get("entity")?.as_object()?;
    if whole.get("client").is_some() {
        return None;
    }
    let mut core = Map::new();
    // Without its id, which is another for each event: in Core all of an incident have the same.
    core.insert("client".to_owned(), client(entity));
    if let Some(check) = whole.get("check").and_then(Value::as_object) {
        let of_check = |key: &str| check.get(key).cloned().unwrap_or_default();
        for key in ["occurrences", "occurrences_watermark", "last_ok"] {
            core.insert(key.to_owned(), of_check(key));
        }
        core.insert("action".to_owned(), json!(action(check)));
        core.insert("silenced".to_owned(), of_check("is_silenced"));
        core.insert("silenced_by".to_owned(), of_check("silenced"));
        core.insert("check".to_owned(), Value::Object(core_check(check)));
    }
    let timestamp = whole.get("timestamp").cloned().unwrap_or_default();
    core.insert("timestamp".to_owned(), timestamp);
    Some(Value::Object(core))
}

fn name(object: &Map<String, Value>) -> Value {
    let name = object.get("metadata").and_then(|data| data.get("name"));
    name.cloned().unwrap_or_default()
}

fn client(entity: &Map<String, Value>) -> Value {
    let mut client = Map::new();
    client.insert("name".to_owned(), name(entity));
    if let Some(address) = address(entity) {
        client.insert("address".to_owned(), json!(address));
    }
    let rest = entity.iter().filter(|(key, _)| *key != "system");
    client.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(client)
}

/// The first address that is not this host's alone, without its mask: Sensu Go's entity has all.
fn address(entity: &Map<String, Value>) -> Option<&str> {
    let interfaces = entity.get("system")?.pointer("/network/interfaces")?;
    let addresses = interfaces.as_array()?.iter().filter_map(|interface| {
        let addresses = interface.get("addresses")?.as_array()?;
        Some(addresses.iter().filter_map(Value::as_str))
    });
    let mut addresses = addresses
        .flatten()
        .filter_map(|address| address.split('/').next());
    addresses.find(|address| !address.starts_with("127.") && *address != "::1")
}

fn core_check(check: &Map<String, Value>) -> Map<String, Value> {
    let mut core = check.clone();
    core.insert("name".to_owned(), name(check));
    // They count here, and are what the event has. In Core's check they are how many are wanted.
    for counter in ["occurrences", "occurrences_watermark"] {
        core.shift_remove(counter);
    }
    let history = check.get("history").and_then(Value::as_array);
    let statuses = history.into_iter().flatten().map(|one| {
        let status = one.get("status").and_then(Value::as_i64);
        json!(status.unwrap_or(3).to_string())
    });
    core.insert("history".to_owned(), statuses.collect());
    core
}

/// Sensu Go hands OK to its handlers each time, and has no word for the first of them.
fn action(check: &Map<String, Value>) -> &'static str {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    if check.get("state").and_then(Value::as_str) == Some("flapping") {
        return "flapping";
    }
    let history = check.get("history").and_then(Value::as_array);
    let before = history.and_then(|history| history.iter().rev().nth(1));
    let was_wrong = number(before.and_then(|one| one.get("status"))).is_some_and(|one| one != 0);
    if number(check.get("status")) == Some(0) && was_wrong {
        "resolve"
    } else {
        "create"
    }
}
