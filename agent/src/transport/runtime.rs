//! The AMQP library on our own runtime.
//!
//! The library's own way to run on tokio brings tokio's scheduler of many threads
//! along, and with it the C library's mathematics: half a megabyte of memory that an
//! agent of one thread does not need. What the library asks of a runtime is little.

use async_rs::Runtime;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::{Task, TaskImpl};
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{Stream, stream};
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, interval, sleep, timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// After how many milliseconds without the other kernel's word for what was sent a connection is
/// dead. Heartbeats notice it as well, but not where what they would go behind is stuck.
const UNACKNOWLEDGED: u32 = 20_000;

/// How long a peer may take to answer the first packet. The system asks again after 1, 2, 4, 8 and
/// 16 s: who waits for the last of these is back long after the network is.
const REACH: Duration = Duration::from_secs(8);

/// The runtime that calls this.
#[must_use]
pub(super) fn current() -> Runtime<Tokio> {
    Runtime::new(Tokio(Handle::current()))
}

/// A runtime of tokio's, by its handle.
#[derive(Debug, Clone)]
pub(super) struct Tokio(Handle);

impl RuntimeKit for Tokio {}

impl Executor for Tokio {
    type Task<T: Send + 'static> = Spawned<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Spawned<T>> {
        Spawned(self.0.spawn(future)).into()
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Spawned<T>> {
        Spawned(self.0.spawn_blocking(work)).into()
    }
}

/// A task that runs on when this is dropped. The library cancels none.
#[derive(Debug)]
pub(super) struct Spawned<T>(JoinHandle<T>);

impl<T: Send + 'static> TaskImpl for Spawned<T> {}

impl<T> Future for Spawned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(done) => Poll::Ready(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and with it whoever waits here.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl Reactor for Tokio {
    type TcpStream = Compat<TcpStream>;
    type Sleep = Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        // Of sockets that somebody else has connected: there are none.
        Err::<Compat<TcpStream>, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Sleep {
        let _inside = self.0.enter();
        sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        let _inside = self.0.enter();
        let mut interval = interval(time);
        stream::poll_fn(move |context| {
            let tick = ready!(interval.poll_tick(context));
            Poll::Ready(Some(tick.into_std()))
        })
    }

    /// To be polled on this runtime, as all that is spawned on it is.
    #[expect(clippy::manual_async_fn, reason = "what it gives may not borrow this")]
    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Compat<TcpStream>>> + Send + 'static {
        async move {
            let connected = timeout(REACH, TcpStream::connect(address)).await;
            let stream = connected.map_err(|_| {
                let what = format!("no answer within {} s", REACH.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, what)
            })??;
            stream.set_nodelay(true)?;
            setsockopt(&stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED)?;
            setsockopt(&stream, sockopt::KeepAlive, &true)?;
            Ok(stream.compat())
        }
    }
}
