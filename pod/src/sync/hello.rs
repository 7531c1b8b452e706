//! The first words on a link between two replicas: of which pod, and may we.
//!
//! ```text
//! dialler    [1, did]                                    a pod of this device
//!            [3, did, key, signature, sponsor | null]    a view, in which one acts by this key
//!            [4, did, key, signature]                    the device log of such a view: [0], and it follows in parts as below
//!            [5, [[did, key, signature]…], last]…        tell me what is new in these views
//!            [7, did]                                    a message for that pod, by anybody
//!            [8, did]                                    which public views of that pod are here?  [8, [did…]], at most 16
//! answer     [0]  go on      [1]  show me the device log      [2, why]  no      [6, key, signature]  go on, and I act in it too
//! dialler    [2, bytes, last, token | null]…                  the log as a CAR file, in parts, the first with the token; then the same
//!                                                             answer again
//! ```

use rhizome_identity::{Did, Log};
use rhizome_ipld::{PublicKey, SigningKey, codec};
use rhizome_network::{Link, MAX_MESSAGE};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use tokio::task::block_in_place;

use crate::{
    PodError,
    views::{Acting, Ends, Say, Watched},
};

/// Bytes of a device log that are read from somebody who is not known.
const MAX_LOG: usize = 8 << 20;
/// Bytes of a token.
const MAX_TOKEN: usize = 64 << 10;
/// Bytes of it in one message.
const PART: usize = 256 << 10;
/// Characters of a reason that are shown.
const MAX_REASON: usize = 300;

/// What is said when there is no place left.
pub(crate) const BUSY: &str = "busy: try again later";
/// Public views that a pod has at most.
pub(crate) const MAX_PUBLIC: usize = 16;
const PUBLIC: u8 = 8;

/// Views of one message of somebody who watches.
pub(crate) const WATCHED: usize = 256;
/// Bytes of the longest first words.
const MAX_FIRST: usize = WATCHED * 256;
/// Views that one watches on one link.
pub(crate) const MAX_WATCHED: usize = 10_000;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Ready,
    /// Go on; this side acts in the view as well.
    Here(Acting),
    /// Show the device log.
    ShowLog,
    /// No.
    No(String),
}

#[derive(Serialize, Deserialize)]
struct Part(u8, ByteBuf, bool, Option<ByteBuf>);

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, PodError> {
    codec::encode(message).map_err(|e| PodError::Peer(e.to_string()))
}

pub(crate) fn unclear() -> PodError {
    PodError::Peer("the other side does not speak this protocol, or another version of it".into())
}

fn hung_up() -> PodError {
    PodError::Peer("the other side hung up".into())
}

async fn next(link: &mut Link) -> Result<Vec<u8>, PodError> {
    match link.receive().await? {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(hung_up()),
    }
}

/// Says by which key one acts in a view; `sponsor` is the pod that it is kept for, if the other side does not keep it yet. Returns the proof
/// that the other side acts in it too, to be verified.
pub(crate) async fn enter(
    link: &mut Link,
    acting: Acting,
    sponsor: Option<Did>,
    log: &mut (dyn FnMut() -> Result<Log, PodError> + Send),
) -> Result<Option<Acting>, PodError> {
    let did = acting.did;
    let (_, key, signature) = acting.parts();
    link.send(encode(&(Say::Enter as u8, did, key, signature, sponsor))?)
        .await?;
    let mut answer = answer(link, Some(did)).await?;
    if answer == Answer::ShowLog {
        let log = block_in_place(log)?;
        show(link, &log, None).await?;
        answer = self::answer(link, Some(did)).await?;
    }
    match answer {
        Answer::Ready => Ok(None),
        Answer::Here(acting) => Ok(Some(acting)),
        Answer::No(why) => Err(PodError::Refused(why)),
        Answer::ShowLog => Err(unclear()),
    }
}

/// Asks for the device log of a view, which is not verified to be of it.
pub(crate) async fn ask_log(link: &mut Link, acting: Acting) -> Result<Log, PodError> {
    let (did, key, signature) = acting.parts();
    link.send(encode(&(Say::ShowLog as u8, did, key, signature))?)
        .await?;
    match answer(link, None).await? {
        Answer::Ready => Ok(shown(link).await?.0),
        Answer::No(why) => Err(PodError::Refused(why)),
        _ => Err(unclear()),
    }
}

/// Says which views one watches; returns the marks of those that the other side tells of.
pub(crate) async fn watch(link: &mut Link, views: &[Acting]) -> Result<Vec<Watched>, PodError> {
    let mut out = Vec::new();
    let mut parts = views.chunks(WATCHED).peekable();
    while let Some(part) = parts.next() {
        let part: Vec<_> = part.iter().map(Acting::parts).collect();
        let last = parts.peek().is_none();
        link.send(encode(&(Say::Watch as u8, part, last))?).await?;
        out.extend(watched(link).await?.ok_or_else(hung_up)?);
    }
    Ok(out)
}

/// Marks that the other side tells; `None` when it ends.
pub(crate) async fn watched(link: &mut Link) -> Result<Option<Vec<Watched>>, PodError> {
    match link.receive().await? {
        Some(bytes) => marks(&bytes).map(Some),
        None => Ok(None),
    }
}

fn marks(bytes: &[u8]) -> Result<Vec<Watched>, PodError> {
    if let Ok((2u8, why)) = codec::decode::<(u8, String)>(bytes, MAX_REASON * 4 + 16) {
        return Err(PodError::Refused(reason(&why)));
    }
    match codec::decode(bytes, MAX_FIRST) {
        Ok((5u8, marks)) => {
            let marks: Vec<Watched> = marks;
            if marks.len() > WATCHED {
                return Err(unclear());
            }
            Ok(marks)
        }
        _ => Err(unclear()),
    }
}

/// Tells marks.
pub(crate) async fn tell(link: &mut Link, marks: &[Watched]) -> Result<(), PodError> {
    Ok(link.send(encode(&(Say::Watch as u8, marks))?).await?)
}

/// Asks for a pod. `log` is shown if the other side wants to see it, with `token`.
pub(crate) async fn ask(
    link: &mut Link,
    did: &Did,
    log: &Log,
    token: Option<&[u8]>,
) -> Result<(), PodError> {
    link.send(encode(&(1u8, did.to_string()))?).await?;
    match answer(link, None).await? {
        Answer::Ready => return Ok(()),
        Answer::No(why) => return Err(PodError::Refused(why)),
        Answer::ShowLog => (),
        Answer::Here(_) => return Err(unclear()),
    }
    show(link, log, token).await?;
    match answer(link, None).await? {
        Answer::Ready => Ok(()),
        Answer::No(why) => Err(PodError::Refused(why)),
        Answer::ShowLog | Answer::Here(_) => Err(unclear()),
    }
}

/// Says that one has a message for a pod.
pub(crate) async fn ask_to_leave(link: &mut Link, did: &Did) -> Result<(), PodError> {
    link.send(encode(&(7u8, did))?).await?;
    match answer(link, None).await? {
        Answer::Ready => Ok(()),
        Answer::No(why) => Err(PodError::Refused(why)),
        Answer::ShowLog | Answer::Here(_) => Err(unclear()),
    }
}

/// Asks which public views of a pod are kept there. Whether they are of that pod is to be seen in them.
pub(crate) async fn ask_public(link: &mut Link, of: &Did) -> Result<Vec<Did>, PodError> {
    link.send(encode(&(PUBLIC, of))?).await?;
    read_public(&next(link).await?)
}

fn read_public(bytes: &[u8]) -> Result<Vec<Did>, PodError> {
    if let Ok((2u8, why)) = codec::decode::<(u8, String)>(bytes, MAX_REASON * 4 + 16) {
        return Err(PodError::Refused(reason(&why)));
    }
    match codec::decode(bytes, MAX_PUBLIC * 256) {
        Ok((PUBLIC, views)) => {
            let mut views: Vec<Did> = views;
            if views.len() > MAX_PUBLIC {
                return Err(unclear());
            }
            views.sort();
            views.dedup();
            Ok(views)
        }
        _ => Err(unclear()),
    }
}

/// Says which public views of a pod are here.
pub(crate) async fn tell_public(link: &mut Link, views: &[Did]) -> Result<(), PodError> {
    let most = views.get(..MAX_PUBLIC).unwrap_or(views);
    Ok(link.send(encode(&(PUBLIC, most))?).await?)
}

/// Sends a device log in parts, with a token at its beginning.
pub(crate) async fn show(link: &mut Link, log: &Log, token: Option<&[u8]>) -> Result<(), PodError> {
    let car = log.to_car()?;
    let mut token = token.map(|t| ByteBuf::from(t.to_vec()));
    let mut parts = car.chunks(PART).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        link.send(encode(&Part(2, ByteBuf::from(part), last, token.take()))?)
            .await?;
    }
    Ok(())
}

/// The answer; in a view the other side may act too.
async fn answer(link: &mut Link, view: Option<Did>) -> Result<Answer, PodError> {
    read_answer(&next(link).await?, view)
}

fn read_answer(bytes: &[u8], view: Option<Did>) -> Result<Answer, PodError> {
    if let Ok((0u8,)) = codec::decode(bytes, 16) {
        return Ok(Answer::Ready);
    }
    if let Ok((1u8,)) = codec::decode(bytes, 16) {
        return Ok(Answer::ShowLog);
    }
    if let Some(did) = view
        && let Ok((6u8, key, signature)) =
            codec::decode::<(u8, PublicKey, ByteArray<64>)>(bytes, 256)
    {
        return Ok(Answer::Here(Acting::of((did, key, signature))));
    }
    let (2u8, why): (u8, String) = codec::decode(bytes, MAX_MESSAGE).map_err(|_| unclear())? else {
        return Err(unclear());
    };
    Ok(Answer::No(reason(&why)))
}

pub(crate) fn reason(why: &str) -> String {
    let shown = why.chars().filter(|c| !c.is_control()).take(MAX_REASON);
    shown.collect()
}

/// Answers.
pub(crate) async fn reply(link: &mut Link, answer: &Answer) -> Result<(), PodError> {
    let bytes = match answer {
        Answer::Ready => encode(&(0u8,))?,
        Answer::Here(acting) => {
            let (_, key, signature) = acting.parts();
            encode(&(Say::Here as u8, key, signature))?
        }
        Answer::ShowLog => encode(&(1u8,))?,
        Answer::No(why) => encode(&(2u8, why))?,
    };
    link.send(bytes).await?;
    Ok(())
}

/// What the dialler wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A pod, as a device of it.
    Pod(Did),
    /// A view, as one who acts in it; and the pod that it is to be kept for.
    View(Acting, Option<Did>),
    /// The device log of a view.
    Log(Acting),
    /// To be told what is new in views; whether that were all.
    Watch(Vec<Acting>, bool),
    /// To leave a message for a pod.
    Leave(Did),
    /// Which public views of a pod are here.
    Public(Did),
}

/// What the dialler wants.
pub(crate) async fn asked(link: &mut Link) -> Result<Asked, PodError> {
    read_asked(&next(link).await?)
}

/// More views to watch, and whether those are all.
pub(crate) async fn more_watched(link: &mut Link) -> Result<(Vec<Acting>, bool), PodError> {
    match asked(link).await? {
        Asked::Watch(views, last) => Ok((views, last)),
        _ => Err(unclear()),
    }
}

fn read_asked(bytes: &[u8]) -> Result<Asked, PodError> {
    fn read<T: serde::de::DeserializeOwned>(bytes: &[u8], most: usize) -> Result<T, PodError> {
        codec::decode(bytes, most).map_err(|_| unclear())
    }
    type One = (Did, PublicKey, ByteArray<64>);
    // a list, and what kind of words
    match bytes {
        [0x82, 1, ..] => {
            let (_, did): (u8, Did) = read(bytes, 256)?;
            Ok(Asked::Pod(did))
        }
        [0x85, 3, ..] => {
            let (_, did, key, signature, sponsor): (
                u8,
                Did,
                PublicKey,
                ByteArray<64>,
                Option<Did>,
            ) = read(bytes, 512)?;
            Ok(Asked::View(Acting::of((did, key, signature)), sponsor))
        }
        [0x84, 4, ..] => {
            let (_, did, key, signature): (u8, Did, PublicKey, ByteArray<64>) = read(bytes, 512)?;
            Ok(Asked::Log(Acting::of((did, key, signature))))
        }
        [0x83, 5, ..] => {
            let (_, views, last): (u8, Vec<One>, bool) = read(bytes, MAX_FIRST)?;
            if views.len() > WATCHED {
                return Err(unclear());
            }
            Ok(Asked::Watch(
                views.into_iter().map(Acting::of).collect(),
                last,
            ))
        }
        [0x82, 7, ..] => {
            let (_, did): (u8, Did) = read(bytes, 256)?;
            Ok(Asked::Leave(did))
        }
        [0x82, PUBLIC, ..] => {
            let (_, did): (u8, Did) = read(bytes, 256)?;
            Ok(Asked::Public(did))
        }
        _ => Err(unclear()),
    }
}

/// Says that this side acts in a view too.
pub(crate) fn here(ends: &Ends, did: Did, key: &SigningKey) -> Result<Answer, PodError> {
    Ok(Answer::Here(Acting::sign(ends, did, key, Say::Here)?))
}

/// First words, answers and marks, read; whether these are any.
#[cfg(fuzzing)]
pub(crate) fn read_words(bytes: &[u8], view: Did) -> bool {
    let asked = read_asked(bytes).is_ok();
    let answer = read_answer(bytes, Some(view)).is_ok();
    asked | answer | marks(bytes).is_ok() | read_public(bytes).is_ok()
}

/// What was asked for, as far as it has come.
pub(crate) struct Shown {
    car: Vec<u8>,
    last: bool,
    /// What came with it.
    pub token: Option<Vec<u8>>,
}

impl Shown {
    /// The beginning.
    pub async fn begin(link: &mut Link) -> Result<Self, PodError> {
        let Part(2, part, last, token) =
            codec::decode(&next(link).await?, MAX_MESSAGE).map_err(|_| unclear())?
        else {
            return Err(unclear());
        };
        if token.as_ref().is_some_and(|t| t.len() > MAX_TOKEN) {
            return Err(too_large());
        }
        Ok(Self {
            car: part.into_vec(),
            last,
            token: token.map(ByteBuf::into_vec),
        })
    }

    /// All of it, to be read by [`Log::from_car`]: that takes time.
    pub async fn rest(mut self, link: &mut Link) -> Result<Vec<u8>, PodError> {
        while !self.last {
            let Part(2, part, last, None) =
                codec::decode(&next(link).await?, MAX_MESSAGE).map_err(|_| unclear())?
            else {
                return Err(unclear());
            };
            if self.car.len() + part.len() > MAX_LOG {
                return Err(too_large());
            }
            self.car.extend_from_slice(&part);
            self.last = last;
        }
        Ok(self.car)
    }
}

fn too_large() -> PodError {
    PodError::Peer("the device log is larger than is read here".into())
}

/// The log that was asked for, verified, and the token that came with it.
pub(crate) async fn shown(link: &mut Link) -> Result<(Log, Option<Vec<u8>>), PodError> {
    let mut shown = Shown::begin(link).await?;
    let token = shown.token.take();
    let car = shown.rest(link).await?;
    Ok((block_in_place(|| Log::from_car(&car))?, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(n: u8) -> (Did, PublicKey, ByteArray<64>) {
        let key = SigningKey::from_seed([n; 32]).public();
        (Did::from_key(key), key, ByteArray::new([n; 64]))
    }

    #[test]
    fn first_words_are_read_as_they_are_written() {
        let (did, key, signature) = one(1);
        let acting = || Acting::of((did, key, signature));
        let asked = |bytes: Result<Vec<u8>, PodError>| read_asked(&bytes.unwrap()).unwrap();
        assert_eq!(asked(encode(&(1u8, did))), Asked::Pod(did));
        assert_eq!(asked(encode(&(8u8, did))), Asked::Public(did));
        for sponsor in [None, Some(one(2).0)] {
            let words = encode(&(3u8, did, key, signature, sponsor));
            assert_eq!(asked(words), Asked::View(acting(), sponsor));
        }
        let words = encode(&(4u8, did, key, signature));
        assert_eq!(asked(words), Asked::Log(acting()));
        let words = encode(&(5u8, [(did, key, signature)], true));
        assert_eq!(asked(words), Asked::Watch(vec![acting()], true));
        let most: Vec<_> = (0..WATCHED).map(|n| one(n as u8)).collect();
        let words = asked(encode(&(5u8, &most, false)));
        assert!(matches!(words, Asked::Watch(all, false) if all.len() == WATCHED));
    }

    #[test]
    fn public_views_are_told_as_they_are_read_and_no_more_than_sixteen() {
        let views: Vec<Did> = (0..=MAX_PUBLIC).map(|n| one(n as u8).0).collect();
        let mut most = views[1..].to_vec();
        let read = |views: &[Did]| read_public(&encode(&(8u8, views)).unwrap());
        let back = read(&most).unwrap();
        most.sort();
        assert_eq!(back, most);
        assert_eq!(read(&[views[0], views[0]]).unwrap(), [views[0]]);
        assert!(read(&[]).unwrap().is_empty());
        assert!(read(&views).is_err());
        assert!(read_public(&encode(&(5u8, &most)).unwrap()).is_err());
        let no = read_public(&encode(&(2u8, "busy")).unwrap());
        assert!(matches!(no, Err(PodError::Refused(why)) if why == "busy"));
    }

    #[test]
    fn other_first_words_are_refused() {
        let (did, key, signature) = one(1);
        let many: Vec<_> = (0..=WATCHED).map(|n| one(n as u8)).collect();
        let long = "x".repeat(MAX_FIRST);
        for bad in [
            encode(&(2u8, did)),
            encode(&(3u8, did)),
            encode(&(3u8, did, key, signature)),
            encode(&(3u8, did, key, ByteArray::new([0u8; 63]), None::<Did>)),
            encode(&(4u8, did, key, signature, None::<Did>)),
            encode(&(5u8, many, true)),
            encode(&(5u8, [(did, key)], true)),
            encode(&(1u8, &long)),
            encode(&(4u8, did, key, &long)),
            Ok(vec![]),
            Ok(vec![0x83, 5]),
        ] {
            assert!(read_asked(&bad.unwrap()).is_err());
        }
    }

    #[test]
    fn answers_and_marks_have_bounds() {
        let (did, key, signature) = one(1);
        let here = encode(&(6u8, key, signature)).unwrap();
        let acting = Acting::of((did, key, signature));
        assert_eq!(read_answer(&here, Some(did)).unwrap(), Answer::Here(acting));
        // to a device of a pod nobody says that he acts in it
        assert!(read_answer(&here, None).is_err());
        let why = encode(&(2u8, "no\u{7} ".repeat(400))).unwrap();
        let Answer::No(why) = read_answer(&why, None).unwrap() else {
            panic!("it says no")
        };
        assert!(why.chars().count() == MAX_REASON && !why.contains('\u{7}'));
        let mark = |n: usize| -> Vec<Watched> { vec![(7, ByteArray::new([1; 16])); n] };
        assert_eq!(
            marks(&encode(&(5u8, mark(WATCHED))).unwrap()).unwrap(),
            mark(WATCHED)
        );
        assert!(marks(&encode(&(5u8, mark(WATCHED + 1))).unwrap()).is_err());
        let no = marks(&encode(&(2u8, "not here")).unwrap());
        assert!(matches!(no, Err(PodError::Refused(why)) if why == "not here"));
    }
}
