//! What a handler is told, while it is on its way.

use super::Pipeline;
use std::rc::Rc;

/// What a handler gets. It is dropped when the handler has it, or never will; nothing is written
/// down before.
pub(super) struct Input {
    text: Vec<u8>,
    pipeline: Rc<Pipeline>,
}

impl Input {
    pub(super) fn new(text: Vec<u8>, pipeline: Rc<Pipeline>) -> Self {
        pipeline.starting.set(pipeline.starting.get() + 1);
        Self { text, pipeline }
    }

    /// Something else in its place.
    pub(super) fn replace(&mut self, text: Vec<u8>) {
        self.text = text;
    }
}

impl AsRef<[u8]> for Input {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.pipeline.starting.set(self.pipeline.starting.get() - 1);
        self.pipeline.remember();
    }
}
