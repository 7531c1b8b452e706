//! Two sides in one process. Every message crosses as bytes.

use super::*;
use rhizome_blob::{
    Answer, BlobKeys, Fetch, Held, Holding, Limits, MAX_MESSAGE, Push, PushStep, RangeRead,
    Request, Sealed, Step, serve,
};

pub(crate) const ALL: Limits = Limits {
    max_len: u64::MAX,
    may_put: true,
};

/// What the peer answers.
pub(crate) fn answer(request: &Request, holding: Holding<'_>) -> Answer {
    let bytes = request.to_bytes().unwrap();
    assert!(bytes.len() <= MAX_MESSAGE);
    let served = serve(Request::from_bytes(&bytes).unwrap(), holding, ALL);
    if let Some(trouble) = served.trouble {
        eprintln!("{trouble}");
    }
    let bytes = served.answer.to_bytes().unwrap();
    assert!(bytes.len() <= MAX_MESSAGE);
    Answer::from_bytes(&bytes).unwrap()
}

/// Runs a fetch until it is done, at most `steps` answers. Returns whether it is.
pub(crate) fn fetch_some(
    fetch: &mut Fetch,
    steps: usize,
    mut peer: impl FnMut(&Request) -> Answer,
) -> Result<bool, BlobError> {
    let mut asked = std::collections::VecDeque::new();
    for _ in 0..steps {
        while let Some(request) = fetch.request() {
            asked.push_back(request);
        }
        let Some(request) = asked.pop_front() else {
            break;
        };
        if fetch.handle(peer(&request))? == Step::Done {
            break;
        }
    }
    Ok(fetch.is_done())
}

pub(crate) fn fetch(fetch: &mut Fetch, holding: Holding<'_>) -> Result<(), BlobError> {
    assert!(fetch_some(fetch, 10_000, |request| answer(
        request, holding
    ))?);
    Ok(())
}

pub(crate) fn push_some(
    push: &mut Push,
    steps: usize,
    mut peer: impl FnMut(&Request) -> Answer,
) -> Result<bool, BlobError> {
    let mut asked = std::collections::VecDeque::new();
    for _ in 0..steps {
        while let Some(request) = push.request()? {
            asked.push_back(request);
        }
        let Some(request) = asked.pop_front() else {
            break;
        };
        if push.handle(&peer(&request))? == PushStep::Done {
            break;
        }
    }
    Ok(push.is_done())
}

pub(crate) fn push(push: &mut Push, holding: Holding<'_>) -> Result<(), BlobError> {
    assert!(push_some(push, 10_000, |request| answer(request, holding))?);
    Ok(())
}

pub(crate) fn read(
    range: &mut RangeRead,
    mut peer: impl FnMut(&Request) -> Answer,
) -> Result<Vec<u8>, BlobError> {
    let mut out = Vec::new();
    let mut asked = std::collections::VecDeque::new();
    while !range.is_done() {
        while let Some(request) = range.request() {
            asked.push_back(request);
        }
        let request = asked.pop_front().expect("not stuck");
        out.extend(range.handle(peer(&request))?);
    }
    Ok(out)
}

pub(crate) fn have(names: Vec<[u8; 32]>, holding: Holding<'_>) -> Vec<Vec<Held>> {
    match answer(&Request::Have { names }, holding) {
        Answer::Held(held) => held,
        other => panic!("{other:?}"),
    }
}

/// What a sealed peer holds of a blob, with the key.
pub(crate) fn look_up(cid: &Cid, keys: &BlobKeys, holding: Holding<'_>) -> Vec<Sealed> {
    have(vec![keys.name(cid).unwrap().0], holding)
        .remove(0)
        .into_iter()
        .map(|held| Sealed {
            held,
            key: keys.key(cid).unwrap(),
        })
        .collect()
}

pub(crate) fn keys(epoch: u8) -> BlobKeys {
    BlobKeys::from_epoch(&[epoch; 32])
}

pub(crate) fn root(cid: &Cid) -> [u8; 32] {
    cid.hash().digest().try_into().unwrap()
}
