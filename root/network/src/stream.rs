//! Frames over any byte stream, as a sink and a stream of messages.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use crate::error::NetworkError;
use crate::frame::{self, FrameError, Head, MAX_HEADER};
use crate::link::Facts;

/// Up to this size header and message go in one write, so that a small message is one packet.
const ONE_WRITE: usize = 16 * 1024;
/// Room for reading while nothing is known to come. Idle links hold this much.
const IDLE_ROOM: usize = 4096;
/// Most room that is made at once for a message that is known to come: its length is only a claim until it has arrived.
const ROOM: usize = 64 * 1024;

/// How the errors of a byte stream read as errors of a link.
pub(crate) type ErrorOf = fn(&Facts, std::io::Error) -> NetworkError;

/// Writes messages to a byte stream.
pub(crate) struct FrameSink<W> {
    io: W,
    /// What still has to be written of the message on its way: its header (or all of it), and the rest.
    head: Bytes,
    body: Bytes,
    ended: bool,
    facts: Arc<Facts>,
    error: ErrorOf,
}

impl<W: AsyncWrite + Unpin> FrameSink<W> {
    pub(crate) fn new(io: W, facts: Arc<Facts>, error: ErrorOf) -> Self {
        Self {
            io,
            head: Bytes::new(),
            body: Bytes::new(),
            ended: false,
            facts,
            error,
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NetworkError>> {
        loop {
            let part = if self.head.is_empty() {
                &mut self.body
            } else {
                &mut self.head
            };
            if part.is_empty() {
                // The memory of a long message must not stay with an idle link.
                self.head = Bytes::new();
                self.body = Bytes::new();
                return Poll::Ready(Ok(()));
            }
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, part))
                .and_then(|n| match n {
                    0 => Err(ErrorKind::WriteZero.into()),
                    n => Ok(n),
                })
                .map_err(|e| (self.error)(&self.facts, e))?;
            part.advance(written.min(part.len()));
            self.facts.count_sent(written);
        }
    }
}

impl<W: AsyncWrite + Unpin> Sink<Bytes> for FrameSink<W> {
    type Error = NetworkError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        self.drain(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), NetworkError> {
        let together = message.len() <= ONE_WRITE;
        let mut head = Vec::with_capacity(MAX_HEADER + if together { message.len() } else { 0 });
        frame::put_head(message.len(), &mut head);
        if together {
            head.extend_from_slice(&message);
        } else {
            self.body = message;
        }
        self.head = head.into();
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.io)
            .poll_flush(cx)
            .map_err(|e| (self.error)(&self.facts, e))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        ready!(self.drain(cx))?;
        if !self.ended {
            self.ended = true;
            self.head = Bytes::from_static(frame::END);
            ready!(self.drain(cx))?;
        }
        Pin::new(&mut self.io)
            .poll_shutdown(cx)
            .map_err(|e| (self.error)(&self.facts, e))
    }
}

/// Reads messages from a byte stream until the other side has finished.
pub(crate) struct FrameStream<R> {
    io: R,
    buffer: BytesMut,
    facts: Arc<Facts>,
    error: ErrorOf,
    over: bool,
}

impl<R: AsyncRead + Unpin> FrameStream<R> {
    pub(crate) fn new(io: R, facts: Arc<Facts>, error: ErrorOf) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            facts,
            error,
            over: false,
        }
    }

    /// What the buffer begins with.
    fn take(&mut self) -> Result<Taken, FrameError> {
        Ok(match frame::head(&self.buffer)? {
            Head::Partial => Taken::Partial { known: 0 },
            Head::End => Taken::End,
            Head::Message { header, length } if self.buffer.len() >= header + length => {
                self.buffer.advance(header);
                Taken::Message(self.buffer.split_to(length).freeze())
            }
            Head::Message { header, length } => Taken::Partial {
                known: header + length - self.buffer.len(),
            },
        })
    }

    fn fill(&mut self, cx: &mut Context<'_>, known: usize) -> Poll<std::io::Result<usize>> {
        self.buffer.reserve(known.clamp(IDLE_ROOM, ROOM));
        poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer)
    }
}

impl<R: AsyncRead + Unpin> Stream for FrameStream<R> {
    type Item = Result<Bytes, NetworkError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let last = loop {
            let known = match self.take() {
                Ok(Taken::Message(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(Taken::Partial { known }) => known,
                Ok(Taken::End) => {
                    self.facts.note_end();
                    break None;
                }
                Err(error) => {
                    break Some(NetworkError::Frame {
                        peer: self.facts.peer(),
                        error,
                    });
                }
            };
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new(); // a message just given away keeps its memory, this must not
            }
            match ready!(self.fill(cx, known)) {
                Ok(0) => break Some((self.error)(&self.facts, ErrorKind::UnexpectedEof.into())),
                Ok(n) => self.facts.count_received(n),
                Err(error) => break Some((self.error)(&self.facts, error)),
            }
        };
        self.over = true;
        Poll::Ready(last.map(Err))
    }
}

enum Taken {
    Message(Bytes),
    /// So many bytes more are known to come.
    Partial {
        known: usize,
    },
    End,
}
