//! Whether the client of a connection takes what it is given.
//!
//! A client that asks and then does not read holds a connection, memory and the end of the process for as
//! long as it likes. Two things are watched, for neither sees it all: the socket, which takes no more
//! when the client does not read; and the answers, of which HTTP/2 takes no more when the client opens
//! no window, while its socket goes on as ever. A server that has nothing to send is not refused anything.
//!
//! It is the connection that is ended, with all its answers. One answer alone cannot be: hyper asks no body to
//! go on while its window is closed, so it cannot fail either, and the last part belongs to `h2` alone.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Buf, Frame, SizeHint};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use crate::listeners::Stream;

/// The most that a client may take its time once the server is to stop.
const PATIENCE_AT_A_STOP: Duration = Duration::from_secs(10);

/// The same for those with whom nothing is going on: they idle, or have sent half a request.
const PATIENCE_WITH_IDLERS: Duration = Duration::from_secs(3);

/// Bytes that buy the time once more in which they may be digested. They are in the client's buffers, which
/// may be megabytes, and one that reads slowly takes nothing until it has read a good part of them.
const DIGESTED: u64 = 1 << 20;

/// Buffers are not larger than that.
const MOST_BUFFERED: u64 = 8 << 20;

/// It is looked at so many times in the time that a client has.
const LOOKS: u32 = 6;

/// What has left, and what has not.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes that the socket has taken.
    written: AtomicU64,
    /// It takes no more at the moment.
    is_blocked: AtomicBool,
    /// Answers that could go on and are not asked to, and their parts that have not left.
    owed: AtomicUsize,
    /// Bytes of answers that have left.
    taken: AtomicU64,
    /// Requests that are answered at the moment.
    running: AtomicUsize,
    /// The connection ends when these have ended.
    is_ending: AtomicBool,
    is_given_up: AtomicBool,
}

/// Where a client has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    Socket(u64),
    Answers(u64),
    /// There is nothing to go on with.
    Idle,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The client takes nothing of what it is given.
    DoesNotRead,
    /// The connection or the server ends, and nothing is going on.
    Idles,
}

impl Flow {
    /// Where it stands still at this moment; `None`: nothing is owed.
    fn halt(&self) -> Option<Halt> {
        if self.is_blocked.load(Ordering::Relaxed) {
            Some(Halt::Socket(self.written.load(Ordering::Relaxed)))
        } else if self.owed.load(Ordering::Relaxed) > 0 {
            Some(Halt::Answers(self.taken.load(Ordering::Relaxed)))
        } else {
            None
        }
    }

    /// Comes back when the client has taken nothing for so long, or a few looks longer; more time is given to
    /// who has just taken much. From a stop on less is enough.
    pub(super) async fn stuck(&self, patience: Duration, stop: &CancellationToken) -> Verdict {
        let at_a_stop = patience.min(PATIENCE_AT_A_STOP);
        let mut before = None;
        let mut since = Instant::now();
        let mut written = 0;
        let mut burst = 0;
        loop {
            let is_stopping = if stop.is_cancelled() {
                tokio::time::sleep(at_a_stop / LOOKS).await;
                true
            } else {
                tokio::select! {
                    () = tokio::time::sleep(patience / LOOKS) => false,
                    () = stop.cancelled() => true,
                }
            };
            let mut halt = self.halt();
            let is_ending = is_stopping || self.is_ending.load(Ordering::Relaxed);
            if halt.is_none() && is_ending && !self.is_running() {
                halt = Some(Halt::Idle);
            }
            if halt.is_none() || halt != before {
                let now_written = self.written.load(Ordering::Relaxed);
                burst = (burst / 2 + (now_written - written)).min(MOST_BUFFERED);
                written = now_written;
                before = halt;
                since = Instant::now();
                continue;
            }
            let (limit, verdict) = match halt {
                Some(Halt::Idle) => (patience.min(PATIENCE_WITH_IDLERS), Verdict::Idles),
                _ if is_stopping => (at_a_stop, Verdict::DoesNotRead),
                _ => (digestion(patience, burst), Verdict::DoesNotRead),
            };
            if since.elapsed() >= limit {
                // An idler may still want to read its last answer.
                let is_given_up = verdict == Verdict::DoesNotRead;
                self.is_given_up.store(is_given_up, Ordering::Relaxed);
                return verdict;
            }
        }
    }

    /// From now on the client is waited for only while something is going on.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }
}

/// The longest that a client may take nothing.
pub(super) fn longest(patience: Duration) -> Duration {
    digestion(patience, MOST_BUFFERED)
}

/// How long a client may take nothing that has just taken so many bytes.
fn digestion(patience: Duration, burst: u64) -> Duration {
    let more = patience.as_millis() * u128::from(burst) / u128::from(DIGESTED);
    patience + Duration::from_millis(u64::try_from(more).unwrap_or(u64::MAX))
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running(Arc<Flow>);

impl Running {
    pub(super) fn on(flow: &Arc<Flow>) -> Self {
        flow.running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(flow))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose writing is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Stream,
    flow: Arc<Flow>,
}

impl Watched {
    pub(crate) fn new(stream: Stream, flow: Arc<Flow>) -> Self {
        Self { stream, flow }
    }

    fn note(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let is_blocked = polled.is_pending();
        if let Poll::Ready(Ok(length)) = polled {
            self.flow
                .written
                .fetch_add(length as u64, Ordering::Relaxed);
        }
        if self.flow.is_blocked.load(Ordering::Relaxed) != is_blocked {
            self.flow.is_blocked.store(is_blocked, Ordering::Relaxed);
        }
        polled
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Else the kernel would keep what was not taken, and go on offering it.
        if self.flow.is_given_up.load(Ordering::Relaxed)
            && let Either::Left(tcp) = &self.stream
            && let Err(error) = SockRef::from(tcp).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer. It is owed from its beginning to its end, but not while it waits for what
/// it is made from.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    running: Running,
    is_owed: bool,
}

impl<B> Answer<B> {
    /// The answer to a request, which ends with it.
    pub(super) fn new(body: B, running: Running) -> Self {
        running.0.owed.fetch_add(1, Ordering::Relaxed);
        Self {
            body,
            running,
            is_owed: true,
        }
    }

    fn owes(&mut self, is_owed: bool) {
        let owed = &self.running.0.owed;
        match (self.is_owed, is_owed) {
            (false, true) => owed.fetch_add(1, Ordering::Relaxed),
            (true, false) => owed.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.is_owed = is_owed;
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.owes(false);
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = Part<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.owes(matches!(polled, Poll::Ready(Some(Ok(_)))));
        let flow = &this.running.0;
        polled.map_ok(|frame| frame.map_data(|data| Part::new(data, Arc::clone(flow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of an answer that is on its way; it is dropped when it has left.
#[derive(Debug)]
pub(super) struct Part<D> {
    data: D,
    flow: Arc<Flow>,
}

impl<D> Part<D> {
    fn new(data: D, flow: Arc<Flow>) -> Self {
        flow.owed.fetch_add(1, Ordering::Relaxed);
        Self { data, flow }
    }
}

impl<D> Drop for Part<D> {
    fn drop(&mut self) {
        self.flow.owed.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: Buf> Buf for Part<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        self.flow.taken.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use hyper::body::Bytes;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// The latest at which somebody is sent away.
    const AT_LAST: Duration = Duration::from_secs(90);

    /// Whether the client is sent away within this time.
    async fn is_refused(flow: &Flow, time: Duration) -> bool {
        let stop = CancellationToken::new();
        let verdict = tokio::time::timeout(time, flow.stuck(PATIENCE, &stop)).await;
        verdict == Ok(Verdict::DoesNotRead)
    }

    /// A body that has these parts and then waits for ever.
    struct Parts(Vec<Bytes>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop() {
                Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
                None => Poll::Pending,
            }
        }
    }

    fn answer(flow: &Arc<Flow>, parts: usize) -> Answer<Parts> {
        let parts = vec![Bytes::from_static(b"some bytes"); parts];
        Answer::new(Parts(parts), Running::on(flow))
    }

    /// What the protocol gets when it asks for more.
    async fn next(answer: &mut Answer<Parts>) -> Option<Part<Bytes>> {
        let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut *answer).poll_frame(context)));
        match polled.await {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_owed_nothing_may_stay() {
        let flow = Arc::new(Flow::default());
        assert!(!is_refused(&flow, 10 * PATIENCE).await);
        drop(answer(&flow, 1));
        assert!(!is_refused(&flow, 10 * PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_asks_to_go_on_ends_the_connection_in_time() {
        let flow = Arc::new(Flow::default());
        let mut unwanted = answer(&flow, 2);
        assert!(!is_refused(&flow, PATIENCE).await);
        assert!(is_refused(&flow, AT_LAST).await);
        // Nor does it help to have asked once.
        let mut part = next(&mut unwanted).await.unwrap();
        part.advance(part.remaining());
        drop(part);
        assert!(!is_refused(&flow, PATIENCE).await);
        assert!(is_refused(&flow, AT_LAST).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_leave_ends_the_connection_although_the_answer_is_complete() {
        let flow = Arc::new(Flow::default());
        let mut short = answer(&flow, 1);
        let part = next(&mut short).await;
        drop(short);
        assert!(is_refused(&flow, AT_LAST).await);
        drop(part);
        assert!(!is_refused(&flow, 10 * PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_waits_for_the_server_may_wait() {
        let flow = Arc::new(Flow::default());
        let mut slow = answer(&flow, 1);
        drop(next(&mut slow).await);
        assert!(next(&mut slow).await.is_none(), "there is nothing yet");
        assert!(!is_refused(&flow, 10 * PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_served() {
        let flow = Arc::new(Flow::default());
        let mut long = answer(&flow, 1);
        let mut part = next(&mut long).await.unwrap();
        let reading = async {
            while part.has_remaining() {
                tokio::time::sleep(PATIENCE * 3 / 4).await;
                part.advance(1);
            }
        };
        let stop = CancellationToken::new();
        tokio::select! {
            _ = flow.stuck(PATIENCE, &stop) => panic!("it was sent away"),
            () = reading => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_takes_no_more_ends_the_connection_unless_it_does_again() {
        let flow = Arc::new(Flow::default());
        flow.is_blocked.store(true, Ordering::Relaxed);
        assert!(!is_refused(&flow, PATIENCE).await);
        let reading = async {
            for _ in 0..10 {
                tokio::time::sleep(PATIENCE * 3 / 4).await;
                flow.written.fetch_add(1, Ordering::Relaxed);
            }
        };
        let stop = CancellationToken::new();
        tokio::select! {
            _ = flow.stuck(PATIENCE, &stop) => panic!("it was sent away"),
            () = reading => {}
        }
        assert!(is_refused(&flow, AT_LAST).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_taken_much_has_time_to_read_it() {
        let flow = Arc::new(Flow::default());
        flow.is_blocked.store(true, Ordering::Relaxed);
        flow.written.fetch_add(3 << 20, Ordering::Relaxed);
        assert!(!is_refused(&flow, PATIENCE * 4).await);
        assert!(is_refused(&flow, PATIENCE * 5).await);
        // And not for ever.
        flow.written.fetch_add(3 << 40, Ordering::Relaxed);
        assert!(is_refused(&flow, PATIENCE * 10).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_less_and_not_at_all_for_who_has_had_that_time() {
        let flow = Arc::new(Flow::default());
        let _unwanted = answer(&flow, 1);
        let stop = CancellationToken::new();
        stop.cancel();
        let begun = Instant::now();
        flow.stuck(PATIENCE, &stop).await;
        let time = begun.elapsed();
        assert!(time >= PATIENCE_AT_A_STOP && time < 2 * PATIENCE_AT_A_STOP);

        let stop = CancellationToken::new();
        let mut refused = std::pin::pin!(flow.stuck(PATIENCE, &stop));
        let early = tokio::time::timeout(PATIENCE / 2, refused.as_mut()).await;
        assert!(early.is_err());
        stop.cancel();
        let begun = Instant::now();
        refused.await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ends_does_not_wait_for_idlers() {
        let flow = Arc::new(Flow::default());
        flow.end();
        let stop = CancellationToken::new();
        let waiting = Running::on(&flow);
        let early = tokio::time::timeout(10 * PATIENCE, flow.stuck(PATIENCE, &stop)).await;
        assert!(early.is_err(), "it is answered still");
        drop(waiting);
        let verdict = tokio::time::timeout(PATIENCE, flow.stuck(PATIENCE, &stop)).await;
        assert_eq!(verdict, Ok(Verdict::Idles));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_answers_and_hardly_for_idlers() {
        let flow = Arc::new(Flow::default());
        let stop = CancellationToken::new();
        stop.cancel();
        let waiting = Running::on(&flow);
        let early = tokio::time::timeout(10 * PATIENCE, flow.stuck(PATIENCE, &stop)).await;
        assert!(early.is_err(), "it is answered still");
        drop(waiting);
        let begun = Instant::now();
        assert_eq!(flow.stuck(PATIENCE, &stop).await, Verdict::Idles);
        assert!(begun.elapsed() < 3 * PATIENCE_WITH_IDLERS);
    }
}
