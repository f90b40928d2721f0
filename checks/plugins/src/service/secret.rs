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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hidden_in_what_comes_back() {
        let secret = Secret::new("pass".to_owned());
        assert_eq!(secret.hide_in("no pass, passed"), "no …, …ed");
        assert_eq!(Secret::new(String::new()).hide_in("a b"), "a b");
    }
}
