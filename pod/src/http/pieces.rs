//! Bodies that a thread makes piece by piece, no further ahead than the reader takes.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use rhizome_blob::Blob;
use tokio::sync::mpsc;

/// Bytes sent at once.
pub const PIECE: usize = 256 << 10;
/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// Takes pieces, one after the other, and waits while enough of them wait. An error ends the body, so that whoever reads it sees that it is not whole.
pub struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Pieces {
    /// Fails once nobody reads any more.
    pub fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        self.0
            .blocking_send(piece)
            .map_err(|_| io::Error::other("nobody reads this any more"))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Ok(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `make` sends.
pub fn body(make: impl FnOnce(Pieces) + Send + 'static) -> Body {
    let (send, receive) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || make(Pieces(send)));
    let pieces = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    });
    // what compresses it asks once more after the end
    Body::from_stream(pieces.fuse())
}

/// A file from one place to another.
pub fn file(file: Blob, from: u64, to: u64) -> Body {
    body(move |out| {
        let mut at = from;
        while at < to {
            let piece = file
                .read_range(at, (to - at).min(PIECE as u64))
                .map(Bytes::from)
                .map_err(io::Error::other);
            let len = piece.as_ref().map_or(0, |p| p.len() as u64);
            if out.send(piece).is_err() || len == 0 {
                return;
            }
            at += len;
        }
    })
}
