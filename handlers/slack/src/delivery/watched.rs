//! A connection that notes when a request begins to go out over it.
//!
//! Until then Slack certainly has not got it, however long it took to find and to reach its host:
//! whoever is killed meanwhile has not sent anything.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use venus_spool::Held;

/// The items that the request at hand is about, known to the connection as well.
#[derive(Debug, Clone, Default)]
pub(super) struct Items(Arc<Mutex<Held>>);

impl Items {
    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        // Whoever panicked has not left it half changed: its steps are renames.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes each connection to Slack a watched one.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) items: Items,
    /// Whether requests go through a proxy: what is said to the proxy itself is none of them.
    pub(super) has_proxy: bool,
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // The connection to the proxy is made with a configuration that has none.
        let is_to_slack = details.config.proxy().is_some() == self.has_proxy;
        Ok(chained.map(|transport| -> Self::Out {
            if is_to_slack {
                let items = self.items.clone();
                Box::new(Watched { transport, items })
            } else {
                Box::new(transport)
            }
        }))
    }
}

struct Watched<T> {
    transport: T,
    items: Items,
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched(...)")
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let begun = self.items.lock().begin();
        // What could not be noted is not sent.
        begun.map_err(|error| Error::Io(io::Error::other(error)))?;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
