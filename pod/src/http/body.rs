//! Bodies that are read into memory: how long one may be, how long it may take, and how much all of them may hold together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension,
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::{FromRequest, Request},
    http::StatusCode,
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::Refusal;

/// Bytes of a body where its path says nothing else.
pub const MOST: usize = 2 << 20;
/// How long is waited for the next piece of one.
const PIECE_TIME: Duration = Duration::from_secs(30);
/// How long all of one may take.
const WHOLE_TIME: Duration = Duration::from_mins(10);
/// How long what is refused is still read, so that who sends it hears why.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// And how long nothing may come of it.
const DRAIN_IDLE: Duration = Duration::from_secs(1);

/// Bytes of all bodies of the owner's programs.
const OWNERS: usize = 1 << 30;
/// Of those of all apps together.
const APPS: usize = 256 << 20;
/// Of those of who has not shown a token.
const STRANGERS: usize = 8 << 20;

/// What all bodies of a kind of caller may hold at a time.
struct Room {
    used: AtomicUsize,
    most: usize,
}

impl Room {
    fn of(most: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            most,
        })
    }

    /// Takes room for more, if there is any.
    fn take(&self, more: usize) -> bool {
        let fits = |used: usize| used.checked_add(more).filter(|all| *all <= self.most);
        let taken = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        taken.is_ok()
    }
}

/// Bytes in a room, which go with the last who reads them.
struct Held {
    bytes: Vec<u8>,
    /// What was taken for them.
    taken: usize,
    room: Arc<Room>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.taken, Ordering::AcqRel);
    }
}

/// The rooms of one pod.
#[derive(Clone)]
pub struct Rooms {
    owner: Arc<Room>,
    apps: Arc<Room>,
    anyone: Arc<Room>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            owner: Room::of(OWNERS),
            apps: Room::of(APPS),
            anyone: Room::of(STRANGERS),
        }
    }
}

impl Rooms {
    /// For paths of the owner's.
    pub fn owner(&self, bytes: usize) -> Extension<Most> {
        Extension(Most::of(bytes, &self.owner))
    }

    /// For paths of apps.
    pub fn app(&self, bytes: usize) -> Extension<Most> {
        Extension(Most::of(bytes, &self.apps))
    }

    /// For paths that take no token.
    pub fn anyone(&self, bytes: usize) -> Extension<Most> {
        Extension(Most::of(bytes, &self.anyone))
    }
}

/// How long a body may be, whose room it takes, and how long it may take.
#[derive(Clone)]
pub struct Most {
    bytes: usize,
    room: Arc<Room>,
    piece: Duration,
    whole: Duration,
}

impl Most {
    fn of(bytes: usize, room: &Arc<Room>) -> Self {
        Self {
            bytes,
            room: Arc::clone(room),
            piece: PIECE_TIME,
            whole: WHOLE_TIME,
        }
    }

    /// Reads a body to its end.
    pub async fn read(&self, body: Body) -> Result<Bytes, Refusal> {
        let too_large = is_longer(&body, self.bytes as u64);
        let mut pieces = body.into_data_stream();
        let read = if too_large {
            Err(too_long())
        } else {
            self.collect(&mut pieces).await
        };
        if read.is_err() {
            tokio::spawn(drain(pieces));
        }
        read
    }

    async fn collect(&self, pieces: &mut BodyDataStream) -> Result<Bytes, Refusal> {
        let end = Instant::now() + self.whole;
        let mut held = Held {
            bytes: Vec::new(),
            taken: 0,
            room: Arc::clone(&self.room),
        };
        loop {
            let until = end.min(Instant::now() + self.piece);
            let Ok(piece) = timeout_at(until, pieces.next()).await else {
                return Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "timeout",
                    "the body of the request did not come in time: send it again",
                ));
            };
            let Some(piece) = piece else {
                return Ok(Bytes::from_owner(held));
            };
            let piece = piece.map_err(|_| Refusal::request("the request broke off"))?;
            if piece.len() > self.bytes - held.bytes.len() {
                return Err(too_long());
            }
            if !self.room.take(piece.len()) {
                return Err(Refusal::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "busy",
                    "too many large requests are under way: try again when one is done",
                ));
            }
            held.taken += piece.len();
            held.bytes.extend_from_slice(&piece);
        }
    }
}

/// Whether a body says of itself that it is longer: then nothing of it has to come.
pub fn is_longer(body: &Body, most: u64) -> bool {
    body.size_hint().lower() > most
}

/// Reads on for a while, and keeps nothing.
async fn drain(mut pieces: BodyDataStream) {
    let all = async { while let Ok(Some(Ok(_))) = timeout(DRAIN_IDLE, pieces.next()).await {} };
    // whoever goes on longer is cut off
    let _ = timeout(DRAIN_TIME, all).await;
}

/// What is too long for its path.
pub fn too_long() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "this is more than the path takes at once: split it",
    )
}

/// A whole body, of at most the size that its path allows.
pub struct Payload(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        // every router says how much: one that does not takes nothing
        let most = request.extensions().get::<Most>().cloned();
        let most = most.unwrap_or_else(|| Most::of(0, &Room::of(0)));
        most.read(request.into_body()).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn small() -> Most {
        Most {
            piece: Duration::from_millis(200),
            whole: Duration::from_secs(1),
            ..Most::of(60, &Room::of(100))
        }
    }

    fn pieces(len: usize, many: usize) -> Body {
        let piece = move |_| Ok::<_, std::convert::Infallible>(Bytes::from(vec![7; len]));
        Body::from_stream(futures_util::stream::iter(0..many).map(piece))
    }

    async fn status(most: &Most, body: Body) -> StatusCode {
        match most.read(body).await {
            Ok(_) => StatusCode::OK,
            Err(refusal) => refusal.into_response().status(),
        }
    }

    #[tokio::test]
    async fn a_body_has_a_length_a_time_and_a_share_of_the_room() {
        let most = small();
        let used = || most.room.used.load(Ordering::Acquire);
        assert_eq!(
            status(&most, pieces(10, 7)).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        // one that says how long it is, is not read
        assert_eq!(
            status(&most, Body::from(vec![0; 61])).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let first = most.read(pieces(10, 6)).await.unwrap();
        assert_eq!(first, vec![7; 60]);
        // what is read still holds its room, and what was refused none
        assert_eq!(used(), 60);
        assert_eq!(
            status(&most, pieces(10, 5)).await,
            StatusCode::TOO_MANY_REQUESTS
        );
        let part = first.slice(3..5);
        drop(first);
        assert_eq!(
            status(&most, pieces(10, 5)).await,
            StatusCode::TOO_MANY_REQUESTS
        );
        drop(part);
        assert_eq!(used(), 0);
        assert_eq!(status(&most, pieces(10, 5)).await, StatusCode::OK);
        // nothing comes, or too slowly
        let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
        assert_eq!(
            status(&most, Body::from_stream(never)).await,
            StatusCode::REQUEST_TIMEOUT
        );
        let piece = most.piece;
        let drops = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(piece / 2).await;
            Some((
                Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x")),
                (),
            ))
        });
        assert_eq!(
            status(&most, Body::from_stream(drops)).await,
            StatusCode::REQUEST_TIMEOUT
        );
        assert_eq!(used(), 0);
    }
}
