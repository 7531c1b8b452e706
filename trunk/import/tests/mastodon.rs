//! The made-up archive, as a folder, a zip and a gzipped tar.

use crate::pods::{
    CREATOR, Place, attribute, entity, of_type, open, pod, recognised, replica, text, value,
};
use rhizome_import::fixture::{ACTOR, CONTENT, mastodon, status, write_tar_gz, write_zip};
use rhizome_import::{
    Import, Limits, Mastodon, MemoryPod, Options, Packing, Pod, ProblemCode, ReplicaPod, Source,
};
use rhizome_tuple::Value;
use std::io::Read;

fn imported() -> (Place, MemoryPod, rhizome_import::Report) {
    let place = Place::new();
    let source = place.source("archive", &mastodon());
    let mut pod = pod();
    let report = place.import(&source, &mut pod);
    (place, pod, report)
}

fn post(n: u64) -> rhizome_tuple::EntityId {
    entity("mastodon", &status(n))
}

#[test]
fn everything_in_the_archive_is_counted_and_in_the_pod() {
    let (_place, pod, report) = imported();
    for (kind, count) in [
        ("post", CONTENT.posts),
        ("reply", CONTENT.replies),
        ("boost", CONTENT.boosts),
        ("media", CONTENT.media),
    ] {
        assert_eq!(report.kinds[kind].added, count, "{kind}");
        assert_eq!(of_type(&pod, kind).len() as u64, count, "{kind}");
    }
    for (kind, count) in [
        ("profile", 1),
        ("like", 1),
        ("bookmark", 1),
        ("poll-option", 2),
        ("emoji", 1),
        ("file", 1),
    ] {
        assert_eq!(report.kinds[kind].added, count, "{kind}");
    }
    assert_eq!(
        (
            report.changed,
            report.unchanged,
            report.skipped,
            report.complete
        ),
        (0, 0, 0, true)
    );
    assert_eq!(
        report.added,
        report.kinds.values().map(|kind| kind.added).sum::<u64>()
    );
    let range = report.range.unwrap();
    assert_eq!(
        (range.from, range.to),
        (1_709_287_200_000, 1_710_151_200_000)
    );
    let found = report.recognised.unwrap();
    assert!(
        found.confidence > 0.9 && found.why.contains("ada@social.example"),
        "{found:?}"
    );
    assert_eq!(found.account.as_deref(), Some(ACTOR));
    assert_eq!(report.files.len(), 1, "the unknown file is listed");
}

#[test]
fn audiences_are_kept_and_nothing_private_becomes_public() {
    let (_place, pod, report) = imported();
    let expected = [
        ("public", CONTENT.public),
        ("unlisted", CONTENT.unlisted),
        ("followers", CONTENT.followers),
        ("direct", CONTENT.direct + 2),
    ];
    for (audience, count) in expected {
        assert_eq!(
            report.audience[audience], count,
            "{audience}; likes and bookmarks are direct"
        );
    }
    for (n, audience) in [
        (1, "public"),
        (4, "unlisted"),
        (5, "followers"),
        (6, "direct"),
        (9, "direct"),
    ] {
        assert_eq!(
            text(&pod, &post(n), "social/audience").as_deref(),
            Some(audience),
            "post {n}"
        );
    }
    let [Value::Ref(media)] = pod.values(&post(5), "social/media") else {
        panic!("one picture")
    };
    assert_eq!(
        text(&pod, media, "social/audience").as_deref(),
        Some("followers"),
        "media are as private as their post"
    );
    for kind in ["like", "bookmark"] {
        assert_eq!(
            text(&pod, &of_type(&pod, kind)[0], "social/audience").as_deref(),
            Some("direct")
        );
    }
}

#[test]
fn a_post_has_its_text_html_tags_and_time() {
    let (_place, pod, _) = imported();
    let one = post(1);
    assert_eq!(
        text(&pod, &one, "social/text").as_deref(),
        Some("Hello from #Rhizome!")
    );
    assert!(
        text(&pod, &one, "social/html")
            .unwrap()
            .contains("class=\"mention hashtag\"")
    );
    assert_eq!(pod.values(&one, "social/tag"), [Value::from("rhizome")]);
    assert_eq!(
        value(&pod, &one, "social/created"),
        Some(&Value::Time(1_709_287_200_000))
    );
    assert_eq!(
        value(&pod, &one, "social/author"),
        Some(&Value::Ref(entity("mastodon", ACTOR)))
    );
    assert_eq!(text(&pod, &one, "social/language").as_deref(), Some("en"));
    assert_eq!(
        text(&pod, &one, "import/source").as_deref(),
        Some("mastodon")
    );
    assert_eq!(text(&pod, &one, "import/key"), Some(status(1)));
    let two = post(2);
    assert_eq!(
        text(&pod, &two, "social/text").as_deref(),
        Some(
            "A longer one.\n\nSecond paragraph with a link (https://example.org/) & more.\nLast line."
        )
    );
    assert_eq!(
        text(&pod, &two, "social/summary").as_deref(),
        Some("Long read")
    );
    assert_eq!(
        value(&pod, &two, "social/sensitive"),
        Some(&Value::Boolean(true))
    );
}

#[test]
fn replies_and_boosts_lead_to_posts_of_the_archive() {
    let (_place, pod, _) = imported();
    assert_eq!(
        value(&pod, &post(8), "social/reply-to"),
        Some(&Value::Ref(post(1)))
    );
    assert_eq!(text(&pod, &post(8), "social/reply-to-url"), Some(status(1)));
    assert_eq!(
        value(&pod, &post(9), "social/reply-to"),
        None,
        "that post is elsewhere"
    );
    assert!(text(&pod, &post(9), "social/reply-to-url").is_some());
    let boost = entity("mastodon", &format!("{}/activity", status(11)));
    assert_eq!(
        value(&pod, &boost, "social/boost-of"),
        Some(&Value::Ref(post(5)))
    );
    assert_eq!(
        text(&pod, &boost, "social/audience").as_deref(),
        Some("followers")
    );
}

#[test]
fn media_are_stored_by_hash_with_what_the_post_says_of_them() {
    let (place, pod, report) = imported();
    let media: Vec<_> = pod.values(&post(1), "social/media").to_vec();
    let [Value::Ref(first), Value::Ref(second)] = media.as_slice() else {
        panic!("two pictures in order")
    };
    let Some(Value::Blob(cid)) = value(&pod, first, "social/blob") else {
        panic!("the file is stored")
    };
    let mut bytes = Vec::new();
    place
        .blobs
        .open(cid)
        .unwrap()
        .reader(0, u64::MAX)
        .read_to_end(&mut bytes)
        .unwrap();
    let expected = mastodon()
        .into_iter()
        .find(|(path, _)| path.contains("/001/"))
        .unwrap()
        .1;
    assert_eq!(bytes, expected);
    assert_eq!(
        text(&pod, first, "social/mime").as_deref(),
        Some("image/png")
    );
    assert_eq!(
        text(&pod, first, "social/alt").as_deref(),
        Some("A red square turning blue")
    );
    assert_eq!(value(&pod, second, "social/alt"), None);
    assert_eq!(
        value(&pod, first, "social/width"),
        Some(&Value::Integer(80))
    );
    assert_eq!(
        value(&pod, first, "social/focal-y"),
        Some(&Value::Float(0.25))
    );
    assert_eq!(value(&pod, first, "is-photo"), Some(&Value::Boolean(true)));
    let missing = report
        .problems
        .iter()
        .find(|problem| problem.code == ProblemCode::MissingFile)
        .unwrap();
    assert!(
        missing.file.contains("/009/") && missing.item.ends_with("/statuses/7"),
        "{missing:?}"
    );
    let [Value::Ref(missing)] = pod.values(&post(7), "social/media") else {
        panic!("it is still listed")
    };
    assert_eq!(
        (
            value(&pod, missing, "social/blob"),
            value(&pod, missing, "is-photo")
        ),
        (None, None)
    );
    assert_eq!(
        text(&pod, missing, "social/alt").as_deref(),
        Some("Missing")
    );
}

#[test]
fn a_poll_has_its_answers_in_order() {
    let (_place, pod, _) = imported();
    let answers: Vec<_> = pod
        .values(&post(3), "social/poll")
        .iter()
        .map(|answer| {
            let Value::Ref(answer) = answer else {
                panic!("a reference")
            };
            (
                text(&pod, answer, "social/name").unwrap(),
                value(&pod, answer, "social/votes").cloned().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("Tea".to_owned(), Value::Integer(3)),
            ("Coffee".to_owned(), Value::Integer(4))
        ]
    );
    assert_eq!(
        value(&pod, &post(3), "social/poll-multiple"),
        Some(&Value::Boolean(false))
    );
    assert_eq!(
        value(&pod, &post(3), "social/poll-voters"),
        Some(&Value::Integer(7))
    );
}

#[test]
fn the_profile_has_its_pictures_and_table() {
    let (place, pod, _) = imported();
    let ada = entity("mastodon", ACTOR);
    assert_eq!(
        text(&pod, &ada, "social/handle").as_deref(),
        Some("ada@social.example")
    );
    assert_eq!(
        text(&pod, &ada, "social/bio").as_deref(),
        Some("Writes programs.")
    );
    assert_eq!(
        pod.values(&ada, "social/field"),
        [Value::from("Home: ada.example")]
    );
    for name in ["social/avatar", "social/header"] {
        let Some(Value::Blob(cid)) = value(&pod, &ada, name) else {
            panic!("{name}")
        };
        assert!(place.blobs.has(cid).unwrap());
    }
}

#[test]
fn every_packing_gives_the_same_pod() {
    let place = Place::new();
    let folder = place.source("archive", &mastodon());
    let at = |name: &str| place.folder.path().join(name);
    write_zip(&mastodon(), &at("archive.zip")).unwrap();
    write_tar_gz(&mastodon(), &at("archive.tar.gz")).unwrap();
    // An archive zipped again with the folder around it.
    let wrapped: Vec<_> = mastodon()
        .into_iter()
        .map(|(path, bytes)| (format!("archive-2024/{path}"), bytes))
        .collect();
    write_zip(&wrapped, &at("wrapped.zip")).unwrap();
    let social = |source: &Source| {
        let mut pod = pod();
        let report = place.import(source, &mut pod);
        let social = |name: &str| name.starts_with("social/") || name == "is-photo";
        let held = |held: &std::collections::BTreeMap<_, _>| {
            held.iter()
                .filter(|(name, _): &(&rhizome_tuple::Attribute, &Vec<Value>)| {
                    social(name.as_str())
                })
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect::<Vec<_>>()
        };
        let facts: Vec<_> = pod
            .entities()
            .iter()
            .map(|(entity, facts)| (*entity, held(facts)))
            .filter(|(_, facts)| !facts.is_empty())
            .collect();
        (facts, report.kinds["post"].added)
    };
    let expected = social(&folder);
    assert_eq!(expected.1, CONTENT.posts);
    for (name, packing) in [
        ("archive.zip", Packing::Zip),
        ("archive.tar.gz", Packing::Tar),
        ("wrapped.zip", Packing::Zip),
    ] {
        let source = open(&at(name));
        assert_eq!(source.packing(), packing);
        assert_eq!(social(&source), expected, "{name}");
    }
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let place = Place::new();
    let source = place.source("archive", &mastodon());
    let mut dry_pod = pod();
    let dry = place
        .run(
            &source,
            &Mastodon,
            &mut dry_pod,
            Options {
                dry_run: true,
                ..Options::new(crate::pods::now)
            },
        )
        .unwrap();
    assert_eq!(
        (dry_pod.writes(), place.blobs.iter().count(), dry.run),
        (0, 0, None)
    );
    let wet = place.import(&source, &mut pod());
    assert_eq!(
        (dry.added, dry.tuples, &dry.kinds, &dry.audience, dry.range),
        (wet.added, wet.tuples, &wet.kinds, &wet.audience, wet.range)
    );
    assert_eq!(dry.problems, wet.problems);
    assert!(dry.dry_run && !wet.dry_run);
}

#[test]
fn a_replica_holds_what_a_memory_pod_holds() {
    let place = Place::new();
    let source = place.source("archive", &mastodon());
    let (replica, author) = replica();
    let mut count = 0_u8;
    let mut random = |bytes: &mut [u8]| {
        count += 1;
        bytes.fill(count);
    };
    let mut disk = ReplicaPod::new(&replica, &author, crate::pods::now, &mut random);
    let mut memory = pod();
    let reports = [
        place.import(&source, &mut disk),
        place.import(&source, &mut memory),
    ];
    assert_eq!(
        serde_json::to_value(&reports[0]).unwrap(),
        serde_json::to_value(&reports[1]).unwrap()
    );
    assert!(!memory.entities().is_empty());
    for (entity, facts) in memory.entities() {
        let held = disk.held(entity).unwrap();
        assert_eq!(held.len(), facts.len(), "{entity}");
        for (name, values) in facts {
            let here = disk.elements(entity, name).unwrap();
            let sorted = |values: &[Value]| {
                let mut values: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
                values.sort();
                values
            };
            assert_eq!(sorted(&here), sorted(values), "{name}");
            if rhizome_schema::Schemas::built_in().merge(name.as_str())
                == rhizome_schema::Merge::List
            {
                assert_eq!(here, *values, "{name} in order");
            }
        }
    }
    let again = place.import(&source, &mut disk);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, reports[0].added)
    );
    // Every commit leads to its run.
    let snapshot = replica.snapshot();
    let run = snapshot.eid(&reports[0].run.unwrap()).unwrap();
    assert!(!snapshot.history(run).unwrap().is_empty());
    assert_eq!(
        disk.entities_with("import/type", &Value::from("run"))
            .unwrap()
            .len(),
        1,
        "same file, same moment: one run"
    );
    assert_eq!(disk.creator(), CREATOR);
    assert!(
        disk.held(&entity("mastodon", &status(1)))
            .unwrap()
            .iter()
            .any(|(name, _)| *name == attribute("import/run"))
    );
}

#[test]
fn an_archive_without_actor_json_is_recognised_by_its_activities() {
    let place = Place::new();
    let files: Vec<_> = mastodon()
        .into_iter()
        .filter(|(path, _)| path != "actor.json")
        .collect();
    let source = place.source("archive", &files);
    let found = recognised(&source, &Mastodon);
    assert_eq!(found.account.as_deref(), Some(ACTOR));
    assert!(found.confidence >= 0.5 && found.confidence < 0.9);
    let mut pod = pod();
    let report = place.import(&source, &mut pod);
    assert_eq!(report.kinds["post"].added, CONTENT.posts);
    assert_eq!(
        text(&pod, &post(5), "social/audience").as_deref(),
        Some("followers"),
        "the followers' address is inferred"
    );
}

#[test]
fn progress_goes_forward_and_an_import_can_be_stopped_and_continued() {
    let place = Place::new();
    let source = place.source("archive", &mastodon());
    let mut pod = pod();
    let cancel = rhizome_import::Cancel::new();
    let mut steps = 0;
    let options = Options {
        batch: 1,
        ..Options::new(crate::pods::now)
    };
    let recognition = recognised(&source, &Mastodon);
    let import = Import {
        source: &source,
        importer: &Mastodon,
        recognition: recognition.clone(),
        pod: &mut pod,
        blobs: &place.blobs,
        options,
    };
    let failed = import
        .run(
            &mut |progress| {
                assert!(
                    progress.total == 0 || progress.done <= progress.total,
                    "{progress:?}"
                );
                steps += 1;
                if progress.records >= 6 {
                    cancel.cancel();
                }
            },
            &cancel,
        )
        .unwrap_err();
    assert!(matches!(
        failed.error,
        rhizome_import::ImportError::Cancelled
    ));
    assert!(steps > 6 && failed.report.added > 0 && !failed.report.complete);
    let report = place.import(&source, &mut pod);
    assert_eq!((report.unchanged, report.changed), (failed.report.added, 0));
    assert_eq!(
        report.added + report.unchanged,
        place.import(&source, &mut pods_fresh()).added
    );
}

fn pods_fresh() -> MemoryPod {
    pod()
}

#[test]
fn other_things_are_not_taken_for_an_archive() {
    let place = Place::new();
    for files in [
        vec![("outbox.json".to_owned(), b"[]".to_vec())],
        vec![("outbox.json".to_owned(), b"not json".to_vec())],
        vec![("posts.csv".to_owned(), b"id,text\n1,x\n".to_vec())],
    ] {
        let source = place.source("other", &files);
        assert_eq!(
            rhizome_import::recognise(&source, &[&Mastodon]).unwrap(),
            []
        );
    }
    assert!(matches!(
        Source::open(std::path::Path::new("/no/such/export"), &Limits::default()),
        Err(rhizome_import::ImportError::Missing(_))
    ));
}
