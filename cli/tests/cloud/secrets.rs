//! What a peer that keeps a pod knows of it: nothing of what is in it. Its files and its memory are searched, while it serves.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use memchr::memmem::Finder;
use rhizome_pod::{
    App, DeviceRole, Opening, Pod, PodHome, PodNode, json::parse_changes, parse_peer,
};
use serde_json::json;

use crate::three::Process;

/// Whatever a person writes, in tuples, names and files.
const SECRETS: [&str; 7] = [
    "a sentence that nobody else is to read",
    "marker/attribute-of-the-diary",
    "bytes of a picture that nobody else is to see",
    "the laptop in the kitchen",
    "the phone of somebody",
    "mastodon import",
    "a sentence by the phone that nobody else is to read",
];

fn anywhere() -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, 1], 0))]
}

/// A text as it may stand somewhere.
fn guises(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = vec![bytes.to_vec()];
    out.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    out.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    out.push(data_encoding::HEXLOWER.encode(bytes).into());
    out.push(data_encoding::HEXUPPER.encode(bytes).into());
    for encoding in [data_encoding::BASE64_NOPAD, data_encoding::BASE64URL_NOPAD] {
        for skip in 0..3 {
            // wherever it begins in what was encoded
            let whole = bytes[skip..].len() / 3 * 3;
            out.push(encoding.encode(&bytes[skip..skip + whole]).into());
        }
    }
    out
}

/// Which of the texts are in the bytes.
struct Search(Vec<(&'static str, Finder<'static>)>);

impl Search {
    fn of(texts: &[&'static str]) -> Self {
        let each = texts.iter().flat_map(|text| {
            let all = guises(text).into_iter();
            all.map(|bytes| (*text, Finder::new(&bytes).into_owned()))
        });
        Self(each.collect())
    }

    fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut each = self.0.iter();
        each.find(|(_, finder)| finder.find(bytes).is_some())
            .map(|(text, _)| *text)
    }
}

/// All memory of a process that is not the unchanged part of a file; how much that was.
fn memory(process: u32, mut look: impl FnMut(&[u8])) -> std::io::Result<usize> {
    let mut memory = fs::File::open(format!("/proc/{process}/mem"))?;
    let mut read = 0;
    for line in fs::read_to_string(format!("/proc/{process}/maps"))?.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        let path = words.nth(3).unwrap_or_default();
        let own = rights.starts_with("rw") || !path.starts_with('/');
        if !rights.starts_with('r') || !own || path.starts_with("[v") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|n| u64::from_str_radix(n, 16).unwrap());
        memory.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        // a region may go while it is read
        if (&mut memory)
            .take(to - from)
            .read_to_end(&mut bytes)
            .is_ok()
        {
            read += bytes.len();
            look(&bytes);
        }
    }
    Ok(read)
}

fn files(directory: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, look);
        } else {
            look(&path, &fs::read(&path).unwrap());
        }
    }
}

fn write(pod: &Pod, app: App, attribute: &str, value: &serde_json::Value) {
    let changes =
        json!([{ "assert": { "entity": "_:e", "attribute": attribute, "value": value } }]);
    pod.transact(app, &parse_changes(&changes).unwrap())
        .unwrap();
}

#[test]
fn a_peer_that_keeps_a_pod_knows_nothing_of_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = dir.path().join("cloud");
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let (address, token) = parse_peer(peer.ready["address"].as_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let opening = Opening::by("test");
        let laptop = Arc::new(
            PodHome::at(dir.path().join("laptop"))
                .init(&opening)
                .unwrap(),
        );
        let a = PodNode::start(Arc::clone(&laptop), anywhere())
            .await
            .unwrap();
        laptop
            .name_device(
                &laptop.device_by_name(&laptop.device()).unwrap(),
                SECRETS[3],
            )
            .unwrap();
        a.add_peer(&address, token.as_ref()).await.unwrap();
        let (code, mut waiting) = a.invite(DeviceRole::Member).unwrap();
        let home = PodHome::at(dir.path().join("phone"));
        let phone = home
            .join(&opening, &code, SECRETS[4], anywhere())
            .await
            .unwrap();
        let phone = Arc::new(phone);
        waiting.joined().await.unwrap();
        let b = PodNode::start(Arc::clone(&phone), anywhere())
            .await
            .unwrap();

        let picture = SECRETS[2].as_bytes().repeat(8000);
        let cid = laptop.blobs().put_bytes(&picture).unwrap();
        write(
            &laptop,
            App::Importer("mastodon"),
            SECRETS[1],
            &SECRETS[0].into(),
        );
        write(
            &laptop,
            App::CommandLine,
            "social/blob",
            &json!({ "blob": cid.to_string() }),
        );
        let pushed = a.sync_with(&address, None).await.unwrap();
        assert!(pushed.equal && pushed.files.pushed == 1, "{pushed:?}");
        let fetched = b.sync_with(&address, None).await.unwrap();
        assert!(fetched.equal && fetched.files.fetched == 1, "{fetched:?}");
        write(&phone, App::CommandLine, SECRETS[1], &SECRETS[6].into());
        b.sync_with(&address, None).await.unwrap();
        a.sync_with(&address, None).await.unwrap();
        assert_eq!(laptop.digest().unwrap(), phone.digest().unwrap());

        let secrets = Search::of(&SECRETS);
        // what it does know is found, so the search is one
        let did: &'static str = laptop.did().to_owned().leak();
        let known = Search::of(&[did]);
        let mut seen = false;
        let read = memory(peer.child.id(), |bytes| {
            assert_eq!(secrets.found(bytes), None, "in the memory of the peer");
            seen |= known.found(bytes).is_some();
        });
        match read {
            Ok(read) => {
                assert!(seen && read > 1 << 20, "{read} bytes of memory searched");
                println!("{} MiB of memory searched", read >> 20);
            }
            Err(error) => println!("memory was not searched, this system does not let us: {error}"),
        }
        let mut bytes = 0;
        files(&cloud, &mut |path, content| {
            assert_eq!(secrets.found(content), None, "in {}", path.display());
            bytes += content.len();
        });
        assert!(bytes > picture.len());
        // and the other search finds what is there
        let mut there = 0;
        files(&dir.path().join("laptop"), &mut |_, content| {
            there += usize::from(secrets.found(content).is_some());
        });
        assert!(there > 0);
        for node in [a, b] {
            node.shutdown().await.unwrap();
        }
    });
}
