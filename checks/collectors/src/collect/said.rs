//! Problems that hold on are said when they begin.

use crate::collector::CollectError;

/// Those that were said and hold on.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<String>);

impl Said {
    /// Of what is wrong now, hands over what was not wrong before.
    pub(super) fn news(&mut self, now: Vec<CollectError>, problems: &mut Vec<CollectError>) {
        let texts: Vec<String> = now.iter().map(ToString::to_string).collect();
        let all = now.into_iter().zip(&texts);
        let new = all.filter(|(_, text)| !self.0.contains(text));
        problems.extend(new.map(|(problem, _)| problem));
        self.0 = texts;
    }
}
