//! What INFO says, and what of it is a number.

use crate::status::Number;

/// Its text: `key:value` lines, of which headings and what has no `:` are passed over. They are looked
/// through each time, as few are asked for, and of a server with 10,000 replicas all of them once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info(pub(super) String);

/// Numbers that measure nothing: they name something, or never change.
const NAMES: &[&str] = &[
    "arch_bits",
    "master_port",
    "master_replid",
    "master_replid2",
    "process_id",
    "redis_build_id",
    "redis_git_dirty",
    "redis_git_sha1",
    "redis_version",
    "replica_announced",
    "run_id",
    "server_time_usec",
    "tcp_port",
];

impl Info {
    /// The pairs in the order in which they came.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(':'))
    }

    /// A value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs()
            .find_map(|(one, value)| (one == key).then_some(value))
    }

    /// A whole number, 0 or more.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Things of one kind, `slave0` and so on, each with what is said of it.
    pub fn each<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Fields<'a>> {
        let pairs = self.pairs().filter(move |(key, _)| {
            key.strip_prefix(kind).is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        pairs.map(|(_, value)| Fields(value))
    }

    /// All numbers, each with the one or two nodes of its path: `used_memory`, and `db0` and `keys`.
    pub fn numbers(&self) -> impl Iterator<Item = (Vec<&str>, Number)> {
        self.pairs().flat_map(|(name, value)| {
            let whole = (!NAMES.contains(&name)).then(|| number(value)).flatten();
            let parts = Fields(value).all().filter(|(part, _)| *part != "port");
            let parts = parts.filter_map(move |(part, value)| {
                number(value).map(|number| (vec![name, part], number))
            });
            whole
                .map(|number| (vec![name], number))
                .into_iter()
                .chain(parts)
        })
    }
}

/// `ip=127.0.0.1,port=6380,state=online`.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn all(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(',').filter_map(|field| field.split_once('='))
    }

    /// One of them; empty if it is not there.
    #[must_use]
    pub fn get(self, key: &str) -> &'a str {
        let mut all = self.all();
        all.find_map(|(one, value)| (one == key).then_some(value))
            .unwrap_or_default()
    }
}

/// A decimal number, and nothing that only looks like one: `1e5` may be the id of a run.
fn number(text: &str) -> Option<Number> {
    let is_decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if !text.bytes().all(is_decimal) {
        return None;
    }
    let signed = || text.parse::<i64>().ok().map(Number::from);
    let whole = text.parse::<u64>().ok().map(Number::from).or_else(signed);
    whole.or_else(|| text.parse::<f64>().ok().map(Number::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_pairs_and_some_have_parts() {
        let info = Info(
            "# Replication\r\nrole:master\r\nslave0:ip=::1,port=6380,state=online,offset=7,lag=1\r\n\
             slave_expires:0\r\nmem_ratio:1.50\r\nlink:-1\r\nrun_id:12\r\nshare:5.00%\r\n\
             db0:keys=3,expires=1\r\nnonsense\r\n"
                .to_owned(),
        );
        assert_eq!(info.get("role"), Some("master"));
        assert_eq!(info.number("slave_expires"), Some(0));
        let slaves: Vec<_> = info.each("slave").collect();
        let of = |key| {
            slaves
                .iter()
                .map(|slave| slave.get(key))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (of("ip"), of("port"), of("none")),
            (vec!["::1"], vec!["6380"], vec![""])
        );
        let numbers: Vec<String> = info
            .numbers()
            .map(|(path, number)| format!("{} {number}", path.join(".")))
            .collect();
        assert_eq!(
            numbers,
            [
                "slave0.offset 7",
                "slave0.lag 1",
                "slave_expires 0",
                "mem_ratio 1.5",
                "link -1",
                "db0.keys 3",
                "db0.expires 1"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(?s).*", lines in "([a-z0-9]{0,3}[:=,\\-.\r\n]{0,2}){0,20}") {
            for text in [text, lines] {
                let length = text.len();
                let info = Info(text);
                info.numbers().for_each(drop);
                assert!(info.each("db").all(|fields| fields.get("a").len() <= length));
            }
        }
    }
}
