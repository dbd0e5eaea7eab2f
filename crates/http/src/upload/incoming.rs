//! The body of an upload on its way into the form parser.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cheeseshop_app::Error;
use futures_util::Stream;
use http_body::Body as _;
use tokio::time::{Instant, Sleep};

use crate::json_body;
use crate::pace::Pace;

/// How much the parser may swallow without giving anything back: the headers of a part are
/// short, so more than this is no form. Keeps a hostile form from filling memory.
const MAX_UNSEEN: usize = 4 << 20;

/// An [`Error`] on its way through the form parser.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct BodyError(pub(super) Error);

/// Splits a body into a stream for the parser and a handle for the rest.
pub(super) fn split(body: Body, idle: Duration) -> (Incoming, Rest) {
    let shared = Arc::new(Mutex::new(Shared {
        body: Some(body),
        unseen: 0,
    }));
    let incoming = Incoming {
        shared: Arc::clone(&shared),
        pace: Pace::new(idle),
        waits_since: None,
        pause: Box::pin(tokio::time::sleep(idle)),
    };
    (incoming, Rest(shared))
}

struct Shared {
    body: Option<Body>,
    unseen: usize,
}

/// The data of a body; an error when it pauses for too long or breaks off.
pub(super) struct Incoming {
    shared: Arc<Mutex<Shared>>,
    pace: Pace,
    waits_since: Option<Instant>,
    pause: Pin<Box<Sleep>>,
}

/// What the parser has not read.
#[derive(Clone)]
pub(super) struct Rest(Arc<Mutex<Shared>>);

impl Rest {
    /// The parser gave something back.
    pub(super) fn progressed(&self) {
        lock(&self.0).unseen = 0;
    }

    /// The unread rest; the stream has ended with this.
    pub(super) fn take(&self) -> Option<Body> {
        lock(&self.0).body.take()
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut shared = lock(&this.shared);
        let Some(body) = shared.body.as_mut() else {
            return Poll::Ready(None);
        };
        loop {
            match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => {
                    return failed(json_body::ended_early());
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    let wait = this.waits_since.take().map(|since| since.elapsed());
                    this.pace.came(data.len(), wait.unwrap_or_default());
                    shared.unseen += data.len();
                    if shared.unseen > MAX_UNSEEN.max(data.len()) {
                        return failed(Error::Invalid(
                            "the upload form is malformed: a part has no end".to_owned(),
                        ));
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Pending => {
                    let pause = this.pause.as_mut();
                    if this.waits_since.is_none() {
                        let now = Instant::now();
                        this.waits_since = Some(now);
                        pause.reset(now + this.pace.left());
                    }
                    return match this.pause.as_mut().poll(context) {
                        Poll::Ready(()) => failed(json_body::paused()),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

fn failed(error: Error) -> Poll<Option<Result<Bytes, BodyError>>> {
    Poll::Ready(Some(Err(BodyError(error))))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared
        .lock()
        .expect("nobody panics while holding this lock")
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_body_that_pauses_is_given_up() {
        let body =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let (mut incoming, _rest) = split(body, Duration::from_millis(10));
        let error = incoming.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("paused"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_the_time_that_we_take_is_ours() {
        let idle = Duration::from_mins(1);
        let piece = |length: usize| {
            move |()| async move {
                tokio::time::sleep(idle * 2 / 3).await;
                let data = Bytes::from(vec![b'x'; length]);
                Some((Ok::<_, std::io::Error>(data), ()))
            }
        };
        let drips = Body::from_stream(futures_util::stream::unfold((), piece(1)));
        let (mut incoming, _rest) = split(drips, idle);
        assert!(incoming.next().await.unwrap().is_ok());
        assert!(incoming.next().await.unwrap().is_err());

        let comes = Body::from_stream(futures_util::stream::unfold((), piece(2000)));
        let (mut incoming, _rest) = split(comes, idle);
        for _ in 0..10 {
            incoming.next().await.unwrap().unwrap();
            tokio::time::sleep(2 * idle).await;
        }
    }

    #[tokio::test]
    async fn a_part_without_end_is_given_up_but_a_long_form_is_not() {
        let endless = || {
            let chunk = Bytes::from(vec![b'x'; 1 << 20]);
            Body::from_stream(futures_util::stream::iter(
                std::iter::repeat_n(chunk, 10).map(Ok::<_, std::io::Error>),
            ))
        };
        let (incoming, _rest) = split(endless(), Duration::from_secs(5));
        let results: Vec<_> = incoming.collect().await;
        assert!(results.iter().any(Result::is_err));

        let (mut incoming, rest) = split(endless(), Duration::from_secs(5));
        while let Some(chunk) = incoming.next().await {
            chunk.unwrap();
            rest.progressed();
        }
    }
}
