//! Numbers that came, kept as ranges: ten million in a row take no more memory than one.

use std::collections::BTreeMap;

/// Numbers, and what was odd about how they came.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// First ones, each with the one after the last of its range. No two ranges touch.
    ranges: BTreeMap<u64, u64>,
    count: u64,
    duplicated: u64,
    newest: u64,
    disorder: Option<u64>,
}

impl Numbers {
    /// One came.
    pub fn note(&mut self, number: u64) {
        let before = self.ranges.range(..=number).next_back();
        let before = before.map(|(start, end)| (*start, *end));
        let start = match before {
            Some((_, end)) if end > number => {
                self.duplicated += 1;
                return;
            }
            Some((start, end)) if end == number => start,
            _ => number,
        };
        let end = self.ranges.remove(&(number + 1)).unwrap_or(number + 1);
        self.ranges.insert(start, end);
        self.count += 1;
        if number < self.newest {
            self.disorder.get_or_insert(number);
        }
        self.newest = self.newest.max(number);
    }

    /// How many there are; one that came twice counts once.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many came that had come before.
    #[must_use]
    pub fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// The first that came for the first time after a greater one had.
    #[must_use]
    pub fn disorder(&self) -> Option<u64> {
        self.disorder
    }

    /// Whether it came.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, end)| *end > number)
    }

    /// All of them, the smallest first.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.ranges.iter().flat_map(|(start, end)| *start..*end)
    }

    /// How many of these are not among others.
    #[must_use]
    pub fn lacking_in(&self, others: &Self) -> u64 {
        let lacking = |(start, end): (&u64, &u64)| {
            let reaching = others.ranges.range(..end).rev();
            let reaching = reaching.take_while(|(_, other_end)| *other_end > start);
            let shared = reaching
                .map(|(other_start, other_end)| end.min(other_end) - start.max(other_start));
            end - start - shared.sum::<u64>()
        };
        self.ranges.iter().map(lacking).sum()
    }
}

impl Extend<u64> for Numbers {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, numbers: I) {
        numbers.into_iter().for_each(|number| self.note(number));
    }
}

impl FromIterator<u64> for Numbers {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut all = Self::default();
        all.extend(numbers);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn they_are_what_a_set_of_them_would_be() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut draw = || -> Vec<u64> { (0..60).map(|_| random.u64(0..80)).collect() };
            let (ours, theirs) = (draw(), draw());
            let numbers: Numbers = ours.iter().copied().collect();
            let set: HashSet<u64> = ours.iter().copied().collect();
            let others: HashSet<u64> = theirs.iter().copied().collect();
            assert_eq!(numbers.count(), set.len() as u64);
            assert_eq!(numbers.duplicated(), (ours.len() - set.len()) as u64);
            assert!((0..90).all(|number| numbers.contains(number) == set.contains(&number)));
            let lacking = set.difference(&others).count() as u64;
            assert_eq!(numbers.lacking_in(&theirs.into_iter().collect()), lacking);
        }
    }

    #[test]
    fn one_that_comes_late_is_remembered_and_one_that_comes_again_is_not_late() {
        let in_order: Numbers = [1, 2, 5, 2, 6].into_iter().collect();
        assert_eq!((in_order.disorder(), in_order.duplicated()), (None, 1));
        let late: Numbers = [1, 3, 2, 5, 4].into_iter().collect();
        assert_eq!((late.disorder(), late.duplicated()), (Some(2), 0));
        assert_eq!(late.ranges.len(), 1);
    }
}
