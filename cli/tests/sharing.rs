//! Two people, and a peer that keeps what they share without keys: as scripts use it.
//!
//! `RHIZOME_PHOTOS` says how many Alice has (400 otherwise).

use std::{fmt::Write, fs, path::Path, process::Command};

use serde_json::{Value as Json, json};

use crate::three::{Process, UP, run};

const ALBUMS: usize = 20;

/// A folder of photos: a table, and a file for each.
fn photos(dir: &Path, count: usize) -> String {
    let folder = dir.join("photos");
    fs::create_dir(&folder).unwrap();
    fs::create_dir(folder.join("files")).unwrap();
    let mut table = String::from("id,is-photo,photo-album,title,rating,file\n");
    for i in 0..count {
        let album = i % ALBUMS;
        writeln!(
            table,
            "{i},true,album-{album},photo {i},{},files/{i}.bin",
            i % 7
        )
        .unwrap();
        fs::write(
            folder.join(format!("files/{i}.bin")),
            format!("the picture {i} ").repeat(9),
        )
        .unwrap();
    }
    fs::write(folder.join("photos.csv"), table).unwrap();
    let column = |attribute: &str, kind: &str| json!({ "attribute": attribute, "type": kind });
    let mapping = json!({ "mapping": 1, "source": "photos", "files": [{
        "file": "photos.csv", "format": "csv", "type": "photo", "id": ["id"],
        "columns": {
            "id": column("photo/number", "integer"),
            "is-photo": column("is-photo", "boolean"),
            "photo-album": column("photo-album", "text"),
            "title": column("title", "text"),
            "rating": column("private-rating", "integer"),
            "file": column("photo/file", "blob"),
        },
    }] });
    let file = dir.join("mapping.json");
    fs::write(&file, mapping.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn did(home: &Path) -> String {
    run(home, &["digest"]).unwrap()["did"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn ask(home: &Path, pod: Option<&str>, query: &str) -> Vec<Json> {
    let mut arguments = vec!["query", query];
    arguments.extend(pod.iter().flat_map(|pod| ["--pod", pod]));
    let answer = run(home, &arguments).unwrap();
    answer["rows"].as_array().unwrap().clone()
}

fn count(home: &Path, pod: Option<&str>, album: &str) -> usize {
    let query = format!(r#"[:find ?e :where [?e "photo-album" "{album}"]]"#);
    ask(home, pod, &query).len()
}

fn photo(home: &Path, title: &str) -> String {
    let query = format!(r#"[:find ?e :where [?e "title" "{title}"]]"#);
    let rows = ask(home, None, &query);
    rows[0][0].as_str().unwrap().to_owned()
}

fn captions(home: &Path, pod: Option<&str>) -> Vec<String> {
    let rows = ask(home, pod, r#"[:find ?c :where [?e "caption" ?c]]"#);
    rows.iter()
        .map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

fn assert_tx(entity: &str, attribute: &str, value: &str) -> Json {
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value } })
}

fn tx(home: &Path, dir: &Path, pod: Option<&str>, changes: &Json) -> Option<Json> {
    let file = dir.join("tx.json");
    fs::write(&file, changes.to_string()).unwrap();
    let mut arguments = vec!["tx", file.to_str().unwrap()];
    arguments.extend(pod.iter().flat_map(|pod| ["--pod", pod]));
    run(home, &arguments)
}

fn sync(home: &Path) -> Json {
    run(home, &["sync", "--once"]).expect("the exchange succeeds")
}

#[test]
fn an_album_is_shared_written_to_and_taken_back_with_only_a_sealed_peer_on() {
    let dir = tempfile::tempdir().unwrap();
    let [alice, bob, cloud] = ["alice", "bob", "cloud"].map(|n| dir.path().join(n));
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    run(&alice, &["init"]).unwrap();
    run(&bob, &["init"]).unwrap();
    let photos_there = std::env::var("RHIZOME_PHOTOS").map_or(400, |n| n.parse().unwrap());
    let each = photos_there / ALBUMS;
    let mapping = photos(dir.path(), photos_there);
    let folder = dir.path().join("photos");
    run(
        &alice,
        &["import", folder.to_str().unwrap(), "--mapping", &mapping],
    )
    .unwrap();
    assert_eq!(count(&alice, None, "album-3"), each);
    run(&alice, &["peers", "add", address]).unwrap();

    let (his, hers) = (did(&bob), did(&alice));
    let of = Some(hers.as_str());
    let predicate = r#"is-photo: true && photo-album: "album-3""#;
    let granted = run(
        &alice,
        &[
            "grant",
            "--where",
            predicate,
            "--can",
            "read,write",
            "--to",
            &his,
        ],
    )
    .unwrap();
    assert_eq!(granted["sent"], true);
    let grant = granted["grant"].as_str().unwrap();
    let invite = granted["invite"].as_str().unwrap();
    // Alice is off from here on. Somebody else gets nothing with it.
    let eve = dir.path().join("eve");
    run(&eve, &["init"]).unwrap();
    assert_eq!(run(&eve, &["accept", invite]), None);
    let accepted = run(&bob, &["accept", invite]).unwrap();
    assert_eq!(
        (&accepted["of"], &accepted["entities"]),
        (&json!(hers), &json!(each))
    );

    // exactly the album, and not so much as the names of anything else
    assert_eq!(count(&bob, of, "album-3"), each);
    let all = ask(&bob, of, "[:find ?a (count ?e) :where [?e ?a ?v]]");
    let mut names: Vec<&str> = all.iter().map(|row| row[0].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "is-photo",
        "photo-album",
        "photo/file",
        "photo/number",
        "private-rating",
        "title",
    ];
    assert_eq!(names, expected);
    assert!(all.iter().all(|row| row[1] == each), "{all:?}");
    let entities = ask(&bob, of, "[:find (count-distinct ?e) :where [?e ?a ?v]]");
    assert_eq!(entities, [json!([each])]);
    assert_eq!(
        ask(
            &bob,
            Some("all"),
            r#"[:find ?e :where [?e "is-photo" true]]"#
        )
        .len(),
        each
    );
    // and their pictures
    sync(&bob);
    assert_eq!(run(&bob, &["doctor"]).unwrap()["files"], each);

    // Bob captions one, and adds one of his own
    let third = photo(&alice, "photo 3");
    let changes = json!([
        assert_tx(&third, "caption", "by Bob"),
        { "assert": { "entity": "_:new", "attribute": "is-photo", "value": true } },
        assert_tx("_:new", "photo-album", "album-3"),
        assert_tx("_:new", "title", "Bob's own"),
    ]);
    tx(&bob, dir.path(), of, &changes).unwrap();
    assert_eq!(captions(&bob, of), ["by Bob"]);
    assert_eq!(count(&bob, of, "album-3"), each + 1);
    assert_eq!(run(&bob, &["shared"]).unwrap()["shared"][0]["pending"], 1);
    // what is not shared with him he cannot write to
    let other = photo(&alice, "photo 4");
    assert_eq!(
        tx(
            &bob,
            dir.path(),
            of,
            &json!([assert_tx(&other, "caption", "no")])
        ),
        None
    );
    let out = json!([assert_tx("_:new", "photo-album", "album-4")]);
    assert_eq!(tx(&bob, dir.path(), of, &out), None);
    sync(&bob);

    // Alice comes back: it is settled, under Bob's name
    sync(&alice);
    assert_eq!(captions(&alice, None), ["by Bob"]);
    assert_eq!(count(&alice, None, "album-3"), each + 1);
    assert_eq!(
        run(&alice, &["grants"]).unwrap()["grants"][0]["accepted"],
        true
    );
    sync(&bob);
    let shared = run(&bob, &["shared"]).unwrap();
    assert_eq!(
        (
            &shared["shared"][0]["pending"],
            &shared["shared"][0]["missing"]
        ),
        (&json!(0), &json!(0))
    );
    assert_eq!(captions(&bob, of), ["by Bob"]);

    // a photo leaves the album, and the view
    let moved = photo(&alice, "photo 23");
    tx(
        &alice,
        dir.path(),
        None,
        &json!([assert_tx(&moved, "photo-album", "album-4")]),
    )
    .unwrap();
    sync(&alice);
    sync(&bob);
    assert_eq!(count(&bob, of, "album-3"), each);
    assert!(ask(&bob, of, r#"[:find ?e :where [?e "title" "photo 23"]]"#).is_empty());

    // Bob changes what decides: it does not count, and is proposed
    let away = json!([assert_tx(&third, "photo-album", "album-9")]);
    tx(&bob, dir.path(), of, &away).unwrap();
    sync(&bob);
    sync(&alice);
    assert_eq!(count(&alice, None, "album-9"), each);
    let proposals = run(&alice, &["proposals"]).unwrap();
    let first = &proposals["proposals"][0];
    assert_eq!(
        (&first["from"], &first["decided"]),
        (&json!(his), &Json::Null)
    );
    let id = first["id"].as_str().unwrap();
    run(&alice, &["proposals", "adopt", id]).unwrap();
    assert_eq!(count(&alice, None, "album-9"), each + 1);
    assert_eq!(run(&alice, &["proposals", "adopt", id]), None);
    sync(&alice);
    sync(&bob);
    assert!(captions(&bob, of).is_empty());

    // Bob proposes on purpose
    let fourth = photo(&alice, "photo 43");
    let file = dir.path().join("proposal.json");
    fs::write(
        &file,
        json!([assert_tx(&fourth, "title", "better")]).to_string(),
    )
    .unwrap();
    let file = file.to_str().unwrap();
    run(
        &bob,
        &["propose", "--to", &hers, "--comment", "please", file],
    )
    .unwrap();
    sync(&bob);
    sync(&alice);
    let proposals = run(&alice, &["proposals"]).unwrap();
    assert_eq!(proposals["proposals"][0]["comment"], "please");
    let id = proposals["proposals"][0]["id"].as_str().unwrap();
    // and they talk about it
    run(&alice, &["proposals", "comment", id, "why better?"]).unwrap();
    sync(&alice);
    sync(&bob);
    let asked = &run(&bob, &["shared"]).unwrap()["shared"][0]["proposals"][0];
    assert_eq!(
        (&asked["id"], &asked["comment"]),
        (&json!(id), &json!("please"))
    );
    let said = run(&bob, &["proposals", "comment", id, "because\u{1b}[31m"]).unwrap();
    assert_eq!(said["comments"][0]["text"], "why better?");
    assert_eq!(said["comments"][0]["from"], json!(hers));
    assert_eq!(said["comments"][1]["from"], json!(his));
    assert_eq!(run(&bob, &["proposals", "comment", id, ""]), None);
    assert_eq!(run(&bob, &["proposals", "comment", "nonsense", "x"]), None);
    sync(&bob);
    sync(&alice);
    let shown = Command::new(env!("CARGO_BIN_EXE_rhizome"))
        .arg("--home")
        .arg(&alice)
        .arg("proposals")
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    // what others say does not steer the terminal
    assert!(
        shown.contains("because\u{fffd}[31m") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    run(&alice, &["proposals", "decline", id]).unwrap();
    let told = &run(&alice, &["proposals"]).unwrap()["proposals"][0]["comments"];
    assert_eq!(told.as_array().map(Vec::len), Some(2));
    assert!(ask(&alice, None, r#"[:find ?e :where [?e "title" "better"]]"#).is_empty());

    // Bob writes while Alice takes it back: that changes nothing, and neither does what he writes later
    tx(
        &bob,
        dir.path(),
        of,
        &json!([assert_tx(&fourth, "caption", "too late")]),
    )
    .unwrap();
    let revoked = run(&alice, &["revoke", grant]).unwrap();
    assert!(revoked["revoked_ms"].is_i64() && revoked["sent"] == true);
    assert_eq!(run(&bob, &["sync", "--once"]), None);
    assert_eq!(
        run(&bob, &["shared"]).unwrap()["shared"][0]["can"],
        Json::Null
    );
    assert_eq!(
        tx(
            &bob,
            dir.path(),
            of,
            &json!([assert_tx(&fourth, "caption", "later")])
        ),
        None
    );
    // they stand as proposals, also what he proposes from now on
    sync(&bob);
    let file = dir.path().join("proposal.json");
    let file = file.to_str().unwrap();
    run(
        &bob,
        &["propose", "--to", &hers, "--comment", "let me in", file],
    )
    .unwrap();
    sync(&bob);
    sync(&alice);
    assert_eq!(captions(&alice, None), ["by Bob"]);
    let proposals = run(&alice, &["proposals"]).unwrap();
    let open: Vec<&Json> = proposals["proposals"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["decided"].is_null())
        .collect();
    assert_eq!(open.len(), 2, "{open:#?}");
    assert!(open.iter().all(|p| p["from"] == his));
    let late = open.iter().find(|p| p["why"].is_string()).unwrap();
    // nobody would read an answer there
    let late_id = late["id"].as_str().unwrap();
    assert_eq!(
        run(&alice, &["proposals", "comment", late_id, "too late"]),
        None
    );
    assert_eq!(late["changes"][0]["assert"]["value"], "too late");
    assert!(open.iter().any(|p| p["comment"] == "let me in"));
    run(
        &alice,
        &["proposals", "adopt", late["id"].as_str().unwrap()],
    )
    .unwrap();
    assert_eq!(captions(&alice, None).len(), 2);
    // what was read is read
    assert_eq!(count(&bob, of, "album-3"), each - 1);
    for home in [&alice, &bob] {
        assert_eq!(run(home, &["doctor"]).unwrap()["ok"], true);
    }
}

#[test]
fn what_is_shared_follows_at_once_while_both_are_up() {
    let dir = tempfile::tempdir().unwrap();
    let [alice, bob, cloud] = ["alice", "bob", "cloud"].map(|n| dir.path().join(n));
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    run(&alice, &["init"]).unwrap();
    run(&bob, &["init"]).unwrap();
    let (a, b) = (Process::start(&alice, &UP), Process::start(&bob, &UP));
    run(&alice, &["peers", "add", address]).unwrap();
    let (his, hers) = (did(&bob), did(&alice));
    let of = Some(hers.as_str());
    let granted = run(
        &alice,
        &[
            "grant",
            "--where",
            "shared: true",
            "--can",
            "write",
            "--to",
            &his,
        ],
    )
    .unwrap();
    run(&bob, &["accept", granted["invite"].as_str().unwrap()]).unwrap();
    let until = |what: &str, check: &dyn Fn() -> bool| {
        let start = std::time::Instant::now();
        while !check() {
            assert!(start.elapsed().as_secs() < 30, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    let new = json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        assert_tx("_:e", "caption", "one"),
    ]);
    let made = tx(&alice, dir.path(), None, &new).unwrap();
    let e = made["entities"]["_:e"].as_str().unwrap().to_owned();
    until("Bob sees what Alice shares", &|| {
        captions(&bob, of) == ["one"]
    });
    tx(
        &bob,
        dir.path(),
        of,
        &json!([assert_tx(&e, "caption", "two")]),
    )
    .unwrap();
    until("Alice has what Bob wrote", &|| {
        captions(&alice, None) == ["two"]
    });
    until("it is settled", &|| {
        run(&bob, &["shared"]).unwrap()["shared"][0]["pending"] == 0
    });
    run(&alice, &["revoke", granted["grant"].as_str().unwrap()]).unwrap();
    until("Bob learns that it was taken back", &|| {
        run(&bob, &["shared"]).unwrap()["shared"][0]["can"].is_null()
    });
    drop((a, b));
}

#[test]
fn every_device_of_the_owner_tends_and_every_device_of_the_guest_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, phone, bob, tablet, cloud] =
        ["laptop", "phone", "bob", "tablet", "cloud"].map(|n| dir.path().join(n));
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    let pair = |old: &Path, new: &Path, name: &str| {
        let pair = Process::start(old, &["pair"]);
        let code = pair.ready["code"].as_str().unwrap().to_owned();
        run(new, &["join", &code, "--name", name]).expect("the device joins");
    };
    for home in [&laptop, &bob] {
        run(home, &["init"]).unwrap();
        run(home, &["peers", "add", address]).unwrap();
    }
    pair(&laptop, &phone, "phone");
    pair(&bob, &tablet, "tablet");
    let (his, hers) = (did(&bob), did(&laptop));
    let of = Some(hers.as_str());
    let new = json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        assert_tx("_:e", "caption", "one"),
    ]);
    let made = tx(&laptop, dir.path(), None, &new).unwrap();
    let e = made["entities"]["_:e"].as_str().unwrap().to_owned();
    let terms = [
        "grant",
        "--where",
        "shared: true",
        "--can",
        "write",
        "--to",
        &his,
    ];
    let granted = run(&laptop, &terms).unwrap();
    run(&bob, &["accept", granted["invite"].as_str().unwrap()]).unwrap();
    sync(&bob);
    // the tablet has it without another invitation, and writes by a key of its own
    sync(&tablet);
    assert_eq!(captions(&tablet, of), ["one"]);
    tx(
        &tablet,
        dir.path(),
        of,
        &json!([assert_tx(&e, "caption", "from the tablet")]),
    )
    .unwrap();
    sync(&tablet);
    // the laptop is off: the phone decides
    sync(&phone);
    assert_eq!(captions(&phone, None), ["from the tablet"]);
    assert_eq!(
        run(&phone, &["grants"]).unwrap()["grants"][0]["accepted"],
        true
    );
    let more = json!([
        { "assert": { "entity": "_:f", "attribute": "shared", "value": true } },
        assert_tx("_:f", "caption", "from the phone"),
    ]);
    tx(&phone, dir.path(), None, &more).unwrap();
    sync(&phone);
    sync(&bob);
    let mut all = captions(&bob, of);
    all.sort();
    assert_eq!(all, ["from the phone", "from the tablet"]);
    sync(&tablet);
    assert_eq!(
        run(&tablet, &["shared"]).unwrap()["shared"][0]["pending"],
        0
    );
    // and so does the laptop, of the same, to the same end
    sync(&laptop);
    sync(&phone);
    sync(&laptop);
    assert_eq!(crate::three::digest(&laptop), crate::three::digest(&phone));
    // the phone takes back what the laptop gave
    run(&phone, &["revoke", granted["grant"].as_str().unwrap()]).unwrap();
    for home in [&bob, &tablet] {
        assert_eq!(run(home, &["sync", "--once"]), None);
        assert_eq!(
            run(home, &["shared"]).unwrap()["shared"][0]["can"],
            Json::Null
        );
    }
}

#[test]
fn what_is_public_is_followed_by_anybody_with_only_a_sealed_peer_on() {
    let dir = tempfile::tempdir().unwrap();
    let [alice, bob, cloud] = ["alice", "bob", "cloud"].map(|n| dir.path().join(n));
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    run(&alice, &["init"]).unwrap();
    run(&bob, &["init"]).unwrap();
    run(&alice, &["peers", "add", address]).unwrap();
    let hers = did(&alice);
    let of = Some(hers.as_str());
    let new = json!([
        { "assert": { "entity": "_:e", "attribute": "public", "value": true } },
        assert_tx("_:e", "caption", "one"),
        assert_tx("_:f", "caption", "private"),
    ]);
    let made = tx(&alice, dir.path(), None, &new).unwrap();
    let e = made["entities"]["_:e"].as_str().unwrap().to_owned();
    let public = ["grant", "--where", "public: true", "--to", "anyone"];
    // nobody can be told from anybody else: to write takes a DID
    assert_eq!(
        run(&alice, &[&public[..], &["--can", "write"]].concat()),
        None
    );
    let granted = run(&alice, &public).unwrap();
    assert_eq!(
        (&granted["sent"], &granted["to"]),
        (&json!(true), &json!("anyone"))
    );
    assert!(granted["invite"].is_null());
    // nobody was asked, and Alice is off
    assert_eq!(run(&bob, &["follow", &hers]), None);
    let followed = run(&bob, &["follow", &hers, "--at", address]).unwrap();
    assert_eq!(followed["following"][0]["entities"], 1);
    assert_eq!(captions(&bob, of), ["one"]);
    assert_eq!(run(&bob, &["shared"]).unwrap()["shared"], json!([]));
    let write = json!([assert_tx(&e, "caption", "by Bob")]);
    assert_eq!(tx(&bob, dir.path(), of, &write), None);

    // both run: what changes is there at once
    let (a, b) = (Process::start(&alice, &UP), Process::start(&bob, &UP));
    let change = json!([assert_tx(&e, "caption", "two")]);
    tx(&alice, dir.path(), None, &change).unwrap();
    let until = |what: &str, check: &dyn Fn() -> bool| {
        let start = std::time::Instant::now();
        while !check() {
            assert!(start.elapsed().as_secs() < 30, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    until("Bob sees what Alice changed", &|| {
        captions(&bob, of) == ["two"]
    });
    let following = run(&bob, &["following"]).unwrap();
    let one = &following["following"][0];
    assert_eq!((&one["of"], &one["ended"]), (&json!(hers), &json!(false)));
    run(&alice, &["revoke", granted["grant"].as_str().unwrap()]).unwrap();
    until("Bob learns that it was taken back", &|| {
        run(&bob, &["following"]).unwrap()["following"][0]["ended"] == true
    });
    assert_eq!(captions(&bob, of), ["two"]);
    // by way of the running program
    let again = run(&alice, &public).unwrap();
    assert_eq!(again["view"], granted["view"]);
    assert_eq!(
        run(&alice, &["grants"]).unwrap()["grants"][0]["public"],
        true
    );
    run(&bob, &["unfollow", &hers]).unwrap();
    assert_eq!(run(&bob, &["following"]).unwrap()["following"], json!([]));
    assert_eq!(run(&bob, &["unfollow", &hers]), None);
    let followed = run(&bob, &["follow", &hers, "--at", address]).unwrap();
    assert_eq!(followed["following"][0]["ended"], false);
    drop((a, b));
}

#[test]
fn a_group_as_scripts_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let [alice, bob, cloud] = ["alice", "bob", "cloud"].map(|n| dir.path().join(n));
    let peer = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    for home in [&alice, &bob] {
        run(home, &["init"]).unwrap();
    }
    run(&alice, &["peers", "add", address]).unwrap();
    let his = did(&bob);
    let made = run(&alice, &["group", "create", "the club"]).unwrap();
    let group = made["group"].as_str().unwrap();
    assert_eq!(
        (&made["name"], &made["role"], &made["sent"]),
        (&json!("the club"), &json!("admin"), &json!(true))
    );
    let invited = run(
        &alice,
        &["group", "invite", group, "--to", &his, "--as", "member"],
    )
    .unwrap();
    assert_eq!(
        run(
            &alice,
            &["group", "invite", group, "--to", &his, "--as", "king"]
        ),
        None
    );
    let accepted = run(&bob, &["accept", invited["invite"].as_str().unwrap()]).unwrap();
    assert_eq!(
        (&accepted["of"], &accepted["group"]),
        (&json!(group), &json!("the club"))
    );
    let caption = |text: &str| json!([assert_tx("_:e", "caption", text)]);
    assert_eq!(
        tx(&bob, dir.path(), Some(group), &caption("too early")),
        None
    );
    // alice is up from here on: the api does the same
    let up = Process::start(&alice, &UP);
    let start = std::time::Instant::now();
    while run(&bob, &["groups"]).unwrap()["groups"][0]["members"][1]["invited"] != false {
        assert!(start.elapsed().as_secs() < 60, "bob is let in");
        sync(&bob);
    }
    sync(&bob);
    tx(&bob, dir.path(), Some(group), &caption("by bob")).unwrap();
    sync(&bob);
    let start = std::time::Instant::now();
    while captions(&alice, Some(group)) != ["by bob"] {
        assert!(start.elapsed().as_secs() < 60, "alice has what bob wrote");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    tx(&alice, dir.path(), Some(group), &caption("by alice")).unwrap();
    let members = run(&alice, &["group", "members", group]).unwrap();
    let since = &members["members"][1]["since_ms"];
    assert!(since.as_i64() > members["members"][0]["since_ms"].as_i64());
    assert_eq!(
        members["members"][1],
        json!({ "did": his, "role": "member", "invited": false, "since_ms": since })
    );
    assert!(
        run(&alice, &["shared"]).unwrap()["shared"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let removed = run(&alice, &["group", "remove", group, &his]).unwrap();
    assert_eq!(removed["members"].as_array().unwrap().len(), 1);
    run(&bob, &["sync", "--once"]);
    assert_eq!(
        run(&bob, &["groups"]).unwrap()["groups"][0]["role"],
        Json::Null
    );
    assert_eq!(
        tx(&bob, dir.path(), Some(group), &caption("too late")),
        None
    );
    run(&alice, &["group", "leave", group]).unwrap();
    assert!(
        run(&alice, &["groups"]).unwrap()["groups"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    drop(up);
}
