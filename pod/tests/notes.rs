//! Notes in views, as they are written: what the fuzzer starts from is what every release has to read.

use std::{fs, path::Path};

use rhizome_identity::Did;
use rhizome_ipld::SigningKey;
use rhizome_pod::{Seed, ShareInvite};
use rhizome_tuple::CommitId;
use rhizome_view::{Handed, Note, Why};

fn samples() -> Vec<(&'static str, Note)> {
    let key = SigningKey::from_seed([1; 32]).public();
    let did = Did::from_key(key).to_string();
    let commit = CommitId([3; 32]);
    let cid = commit.cid();
    let handed = Handed {
        to: did.clone(),
        grant: cid,
        key,
        wraps: vec![(key, vec![7; 40])],
    };
    vec![
        (
            "terms",
            Note::Terms {
                of: did,
                predicate: "kind: photo".into(),
                log: vec![1, 2, 3],
            },
        ),
        ("grant", Note::Grant(vec![4; 20])),
        ("revoked", Note::Revoked(cid)),
        ("refused", Note::Refused(commit, Why::NotShared)),
        (
            "claim",
            Note::Claim {
                log: vec![5; 9],
                proofs: vec![vec![6; 9], vec![]],
            },
        ),
        ("key", Note::Key(handed)),
        (
            "proposal",
            Note::Proposal {
                changes: "[]".into(),
                comment: "a better title".into(),
            },
        ),
        ("again", Note::Again(commit)),
        ("group", Note::Group("the club".into())),
        ("comment", Note::Comment(commit, "not yet".into())),
    ]
}

fn seed(name: &str) -> Vec<u8> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/view_note");
    fs::read(seeds.join(name)).unwrap()
}

#[test]
fn every_note_is_spelled_as_ever() {
    for (name, note) in samples() {
        let bytes = note.to_bytes().unwrap();
        assert_eq!(bytes, seed(name), "{name}");
        assert_eq!(Note::from_bytes(&bytes).as_ref(), Some(&note), "{name}");
        for end in 0..bytes.len() {
            assert_eq!(Note::from_bytes(&bytes[..end]), None, "{name} {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Note::from_bytes(&longer), None, "{name}");
        // an array of one more: there is one spelling
        let mut wider = longer;
        wider[0] += 1;
        assert_eq!(Note::from_bytes(&wider), None, "{name}");
    }
}

#[test]
fn an_invitation_is_spelled_as_ever() {
    let text = String::from_utf8(seed("invitation")).unwrap();
    let invite: ShareInvite = text.parse().unwrap();
    let key = SigningKey::from_seed([1; 32]).public();
    assert_eq!(invite.view, Did::from_key(key));
    assert_eq!(invite.seed.expose(), Seed::take(&mut [2; 32]).expose());
    assert_eq!(invite.to_string(), text);
}
