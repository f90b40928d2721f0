//! A password, which shows up nowhere.

/// A password. It has neither `Debug` nor `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This one.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For the service that wants to know it, and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a service has said, without the password: it may send back what it was sent.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            text.to_owned()
        } else {
            text.replace(&self.0, "…")
        }
    }
}

/// A text without what stands between `://` and `@`: somebody may have written a password there.
#[must_use]
pub fn without_login(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (uri, rest) = part.split_at(end);
        let host = uri.rsplit_once('@').map(|(_, host)| host);
        shown.push_str("://");
        if host.is_some() {
            shown.push_str("…@");
        }
        shown.push_str(host.unwrap_or(uri));
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hidden_in_what_comes_back() {
        let secret = Secret::new("pass".to_owned());
        assert_eq!(secret.hide_in("no pass, passed"), "no …, …ed");
        assert_eq!(Secret::new(String::new()).hide_in("a b"), "a b");
    }

    #[test]
    fn a_login_in_a_url_is_not_shown() {
        for (text, shown) in [
            (
                "bad 'http://joe:p@ss@h:1/x' here",
                "bad 'http://…@h:1/x' here",
            ),
            ("http://h/a unix:///s a@b", "http://h/a unix:///s a@b"),
        ] {
            assert_eq!(without_login(text), shown);
        }
    }
}
