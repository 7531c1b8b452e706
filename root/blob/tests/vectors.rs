//! The known answers of docs/spec/vectors/blob.json, made by a second implementation.

use serde_json::Value as Json;

use super::{wire::*, *};
use rhizome_blob::{Answer, BlobKeys, Holding, Request, SealedReader, sealed_len};

fn answers() -> Json {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/spec/vectors/blob.json"
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn list(j: &Json) -> &[Json] {
    j.as_array().unwrap()
}

fn hex(j: &Json) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(j.as_str().unwrap().as_bytes())
        .unwrap()
}

fn array<const N: usize>(j: &Json) -> [u8; N] {
    hex(j).try_into().unwrap()
}

fn pattern(len: &Json) -> Vec<u8> {
    let len = len.as_u64().unwrap() as usize;
    (0..251).cycle().take(len).collect()
}

#[test]
fn sealed_blobs() {
    let answers = answers();
    let cases = list(&answers["sealed"]);
    assert_eq!(cases.len(), 10);
    for case in cases {
        let keys = BlobKeys::from_epoch(&array(&case["secret"]));
        let bytes = pattern(&case["len"]);
        let cid = rhizome_ipld::cid_from_bytes(&hex(&case["cid"])).unwrap();
        assert_eq!(root(&cid), *blake3::hash(&bytes).as_bytes());
        let key = keys.key(&cid).unwrap();
        assert_eq!(*key.expose(), array(&case["key"]));
        assert_eq!(keys.name(&cid).unwrap().0, array(&case["name"]));
        let mut sealed = Vec::new();
        SealedReader::new(&bytes[..], &key)
            .read_to_end(&mut sealed)
            .unwrap();
        assert_eq!(sealed_len(bytes.len() as u64), case["sealed_len"]);
        assert_eq!(case["sealed_len"], sealed.len());
        assert!(sealed.starts_with(&hex(&case["first"])));
        assert!(sealed.ends_with(&hex(&case["last"])));
        assert_eq!(*blake3::hash(&sealed).as_bytes(), array(&case["root"]));
    }
}

#[test]
fn slices() {
    let (_directory, store) = store();
    let answers = answers();
    let cases = list(&answers["slices"]);
    assert_eq!(cases.len(), 35);
    for case in cases {
        let cid = store.put_bytes(&pattern(&case["len"])).unwrap();
        assert_eq!(root(&cid), array(&case["root"]));
        let number = |j: &Json| j.as_str().unwrap().parse().unwrap();
        let request = Request::Get {
            root: root(&cid),
            offset: number(&case["offset"]),
            len: number(&case["wanted"]),
        };
        let Answer::Slice { len, slice } = answer(&request, Holding::Plain(&store)) else {
            panic!("{case}")
        };
        assert_eq!(case["len"], len);
        assert_eq!(case["slice_len"], slice.0.len(), "{case}");
        assert!(slice.0.starts_with(&hex(&case["first"])), "{case}");
        assert_eq!(*blake3::hash(&slice.0).as_bytes(), array(&case["slice"]));
    }
}

#[test]
fn messages() {
    let answers = answers();
    let again = |case: &Json| {
        let bytes = hex(&case["bytes"]);
        let read = match case["side"].as_str().unwrap() {
            "request" => Request::from_bytes(&bytes).map(|message| message.to_bytes()),
            _ => Answer::from_bytes(&bytes).map(|message| message.to_bytes()),
        };
        (bytes, read)
    };
    for case in list(&answers["messages"]) {
        let (bytes, read) = again(case);
        assert_eq!(read.unwrap().unwrap(), bytes, "{case}");
    }
    for case in list(&answers["refused"]) {
        assert!(again(case).1.is_err(), "{case}");
    }
}
