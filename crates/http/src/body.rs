//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::request_log::Pending;

/// Bytes at hand, or what a handler streams.
///
/// A streamed body carries the request's log line and writes it when it ends, be it complete
/// or torn off.
#[derive(Debug)]
pub struct ReplyBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Streamed {
        body: axum::body::Body,
        pending: Option<Box<Pending>>,
    },
}

impl ReplyBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    pub(crate) fn streamed(body: axum::body::Body, pending: Pending) -> Self {
        Self(Kind::Streamed {
            body,
            pending: Some(Box::new(pending)),
        })
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Streamed { body, pending } => {
                let polled = Pin::new(body).poll_frame(context);
                if let Some(pending) = pending {
                    match &polled {
                        Poll::Ready(Some(Ok(frame))) => {
                            pending.sent(frame.data_ref().map_or(0, Bytes::len));
                        }
                        Poll::Ready(Some(Err(error))) => pending.failed(error),
                        Poll::Ready(None) | Poll::Pending => {}
                    }
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed { body, .. } => body.size_hint(),
        }
    }
}
