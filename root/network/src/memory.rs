//! A link inside one process, for tests and simulators: the same frames over a pipe of bounded size.

use std::sync::Arc;

use rhizome_ipld::PublicKey;
use tokio::io::DuplexStream;

use crate::error::NetworkError;
use crate::link::{Channel, Facts, Link};
use crate::stream::{FrameSink, FrameStream};

/// Two ends of a link between `left` and `right`: the first end is the one `left` holds. `room` bytes can be under way in each
/// direction before a writer waits. Nothing is proved or encrypted: both keys and the keying material are what the caller says.
pub fn pair(left: PublicKey, right: PublicKey, keying: [u8; 32], room: usize) -> (Link, Link) {
    let (a, b) = tokio::io::duplex(room.max(1));
    (end(a, right, keying), end(b, left, keying))
}

fn end(pipe: DuplexStream, peer: PublicKey, keying: [u8; 32]) -> Link {
    let facts = Facts::new(peer, keying, Channel::Memory);
    let (reader, writer) = tokio::io::split(pipe);
    Link::new(
        Box::pin(FrameSink::new(writer, Arc::clone(&facts), lost)),
        Box::pin(FrameStream::new(reader, Arc::clone(&facts), lost)),
        facts,
    )
}

#[allow(clippy::needless_pass_by_value)] // the signature of `ErrorOf`
fn lost(facts: &Facts, error: std::io::Error) -> NetworkError {
    NetworkError::Lost {
        peer: facts.peer(),
        reason: error.to_string(),
    }
}
