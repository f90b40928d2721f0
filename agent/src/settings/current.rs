//! The settings that are in force now.

use super::Settings;
use std::cell::RefCell;
use std::rc::Rc;

/// Settings that a reload replaces as a whole. Whoever works with them takes
/// them once for each piece of work, so that no work sees half of two.
#[derive(Debug)]
pub struct Current(RefCell<Rc<Settings>>);

impl Current {
    /// The first ones.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(RefCell::new(Rc::new(settings)))
    }

    /// Those in force.
    #[must_use]
    pub fn get(&self) -> Rc<Settings> {
        Rc::clone(&self.0.borrow())
    }

    /// Puts others in force.
    pub fn replace(&self, settings: Settings) {
        *self.0.borrow_mut() = Rc::new(settings);
    }
}
