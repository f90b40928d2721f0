//! HTTP over a stream that we have connected ourselves.

use std::fmt;
use std::io::{Read, Write};

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport,
};

/// A connected one. The deadline is that of the check, which ends the process.
pub(super) struct StreamTransport<S> {
    stream: S,
    has_tls: bool,
    buffers: LazyBuffers,
}

impl<S> StreamTransport<S> {
    pub(super) fn new(stream: S, has_tls: bool, details: &ConnectionDetails<'_>) -> Self {
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Self {
            stream,
            has_tls,
            buffers,
        }
    }
}

impl<S> fmt::Debug for StreamTransport<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StreamTransport")
    }
}

impl<S: Read + Write + Send + Sync + 'static> Transport for StreamTransport<S> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(self.stream.flush()?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_tls(&self) -> bool {
        self.has_tls
    }

    fn is_open(&mut self) -> bool {
        // One question, one connection.
        false
    }
}
