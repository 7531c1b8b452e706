//! Files of tuples.

use crate::pods::{Place, entity, now, open, pod, recognised, text, value};
use rhizome_import::{Importer, Limits, MemoryPod, Options, ProblemCode, Report, Source, Tuples};
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};
use std::fmt::Write;

fn source(place: &Place, name: &str, lines: &str, limits: Limits) -> Source {
    let at = place.folder.path().join(name);
    std::fs::write(&at, lines).unwrap();
    Source::open(&at, &limits).unwrap()
}

fn import(place: &Place, pod: &mut MemoryPod, lines: &str) -> Report {
    let source = source(place, "people.tsv", lines, Limits::default());
    place.run(&source, &Tuples, pod, Options::new(now)).unwrap()
}

fn person(key: &str) -> EntityId {
    entity("people", key)
}

const LINES: &str = "1\ttype\ts\tperson\n1\tname\ts\tAda\n1\tage\ti\t36\n1\tborn\tt\t-4858444800000\n1\talive\tb\tfalse\n1\tknows\tr\t2\n\
    2\ttype\ts\tperson\n2\tname\ts\tGrace\n2\tknows\tr\t1\n3\tname\ts\ta rock\n1\tknows\tr\t3\n";

#[test]
fn lines_become_entities_by_kind_and_every_type_of_value() {
    let place = Place::new();
    let mut pod = pod();
    let report = import(&place, &mut pod, LINES);
    assert_eq!(
        (
            report.added,
            report.kinds["person"].added,
            report.kinds["entity"].added,
            report.tuples
        ),
        (3, 2, 1, 11)
    );
    let one = person("1");
    assert_eq!(text(&pod, &one, "name").as_deref(), Some("Ada"));
    assert_eq!(value(&pod, &one, "age"), Some(&Value::Integer(36)));
    assert_eq!(
        value(&pod, &one, "born"),
        Some(&Value::Time(-4_858_444_800_000))
    );
    assert_eq!(value(&pod, &one, "alive"), Some(&Value::Boolean(false)));
    assert_eq!(
        pod.values(&one, "knows"),
        [Value::Ref(person("2")), Value::Ref(person("3"))]
    );
    assert_eq!(pod.values(&person("2"), "knows"), [Value::Ref(one)]);
}

/// An attribute with several values somewhere is a set everywhere, so that merging does not depend on the entity.
#[test]
fn merge_types_belong_to_attributes() {
    let place = Place::new();
    let source = source(&place, "people.tsv", LINES, Limits::default());
    let mut preview = rhizome_import::Preview::new(&source, "did:x", "people");
    Tuples
        .read(&source, &recognised(&source, &Tuples), &mut preview)
        .unwrap();
    for record in preview.records {
        for fact in record.facts {
            let set = matches!(fact, rhizome_import::Fact::Members { whole: false, .. });
            assert_eq!(set, fact.attribute().as_str() == "knows", "{fact:?}");
        }
    }
}

#[test]
fn importing_again_changes_nothing_and_edits_here_stay() {
    let place = Place::new();
    let mut pod = pod();
    import(&place, &mut pod, LINES);
    pod.apply(Edit::Assert(
        person("1"),
        crate::pods::attribute("name"),
        Value::from("Countess"),
    ));
    pod.apply(Edit::Retract(
        person("1"),
        crate::pods::attribute("knows"),
        Some(Value::Ref(person("3"))),
    ));
    let report = import(&place, &mut pod, LINES);
    assert_eq!(
        (
            report.added,
            report.changed,
            report.unchanged,
            report.totals.kept
        ),
        (0, 0, 3, 2)
    );
    let changed = LINES.replace("Grace", "Hopper") + "2\tage\ti\t85\n2\tknows\tr\t3\n";
    let report = import(&place, &mut pod, &changed);
    assert_eq!(
        (
            report.added,
            report.changed,
            report.totals.taken,
            report.totals.kept
        ),
        (0, 1, 3, 2)
    );
    assert_eq!(
        text(&pod, &person("1"), "name").as_deref(),
        Some("Countess")
    );
    assert_eq!(pod.values(&person("1"), "knows"), [Value::Ref(person("2"))]);
    // Half the file is no deletion.
    let report = import(&place, &mut pod, "1\ttype\ts\tperson\n");
    assert_eq!((report.changed, report.totals.vanished), (0, 2));
}

#[test]
fn ids_of_this_system_stand_for_themselves() {
    let place = Place::new();
    let mut pod = pod();
    let id = EntityId::from_bytes([5; 24]);
    let report = import(
        &place,
        &mut pod,
        &format!("{id}\tname\ts\tx\n1\tknows\tr\t{id}\n"),
    );
    assert_eq!(report.added, 2);
    assert_eq!(text(&pod, &id, "name").as_deref(), Some("x"));
    assert_eq!(value(&pod, &person("1"), "knows"), Some(&Value::Ref(id)));
}

#[test]
fn lines_that_are_no_tuples_are_reported_with_their_number() {
    let place = Place::new();
    let mut pod = pod();
    let report = import(
        &place,
        &mut pod,
        &format!("{LINES}broken\n\n4\tage\ti\tmany\n4\tname\ts\tok\r\n5\ta\tq\t1\n5\ta b\ts\t1"),
    );
    assert_eq!((report.skipped, report.added), (4, 4));
    let items: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.code, problem.item.as_str()))
        .collect();
    let malformed = ProblemCode::Malformed;
    assert_eq!(
        items,
        [
            (malformed, "line 12"),
            (malformed, "line 14"),
            (malformed, "line 16"),
            (malformed, "line 17")
        ]
    );
    assert_eq!(text(&pod, &person("4"), "name").as_deref(), Some("ok"));
    let at = place.folder.path().join("people.tsv");
    std::fs::write(&at, [LINES.as_bytes(), b"6\tname\ts\tcaf\xe9\n"].concat()).unwrap();
    let report = place
        .run(&open(&at), &Tuples, &mut pod, Options::new(now))
        .unwrap();
    assert_eq!(
        (report.added, report.problems[0].code),
        (1, ProblemCode::Encoding)
    );
    assert_eq!(
        text(&pod, &person("6"), "name").as_deref(),
        Some("caf\u{fffd}")
    );
}

#[test]
fn other_files_are_not_taken_for_tuples() {
    let place = Place::new();
    for lines in [
        "",
        "a\tb\tc\td\n",
        "id\tname\n1\tx\n",
        "1,2,s,4\n",
        "1\tname\ts",
        "x\ty\ts\t1\na\nb\nc\nd\n",
    ] {
        let source = source(&place, "a.tsv", lines, Limits::default());
        let found = Tuples.recognise(&source).unwrap();
        assert_eq!(found.is_some(), lines == "1\tname\ts\t1", "{lines:?}");
    }
    assert!(
        recognised(&source(&place, "a.tsv", LINES, Limits::default()), &Tuples).confidence > 0.9
    );
}

/// A file larger than memory allows is read in parts, with the same outcome.
#[test]
fn a_large_file_is_read_in_parts() {
    let mut lines = String::new();
    for n in 0..3_000_u64 {
        let key = n * 7 % 1_000;
        writeln!(lines, "{key}\tname{}\ts\tvalue {n}", n % 5).unwrap();
        writeln!(lines, "{key}\tlikes\tr\t{}", n * 13 % 1_000).unwrap();
        if n % 100 == 0 {
            lines.push_str("broken\n");
        }
    }
    let (place, mut whole, mut parts) = (Place::new(), pod(), pod());
    let run = |limits: Limits, pod: &mut MemoryPod| {
        let source = source(&place, "large.tsv", &lines, limits);
        place.run(&source, &Tuples, pod, Options::new(now)).unwrap()
    };
    let one = run(Limits::default(), &mut whole);
    let many = run(
        Limits {
            spool_bytes: 20_000,
            ..Limits::default()
        },
        &mut parts,
    );
    assert_eq!(
        (one.added, one.tuples, one.skipped),
        (1_000, many.tuples, 30)
    );
    assert_eq!(
        (one.added, one.skipped, &one.problems),
        (many.added, many.skipped, &many.problems)
    );
    let content = |pod: &MemoryPod| {
        let own = |(_, facts): &(&EntityId, &std::collections::BTreeMap<_, _>)| {
            facts
                .keys()
                .all(|name: &rhizome_tuple::Attribute| !name.as_str().starts_with("import/"))
        };
        pod.entities()
            .iter()
            .filter(own)
            .map(|(entity, facts)| (*entity, facts.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(content(&whole), content(&parts));
}

/// Public tuple files, where the machine has them.
#[test]
fn public_data_sets_are_read_whole() {
    let at = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/tuples/instant-movies.tsv.gz");
    if !at.exists() {
        println!("skipped: no data sets on this machine");
        return;
    }
    let place = Place::new();
    let source = open(&at);
    let path = source.entries()[0].path.clone();
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut source.read(&path).unwrap(), &mut lines).unwrap();
    let entities: std::collections::HashSet<_> = lines
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    let tuples: std::collections::HashSet<_> = lines.lines().collect();
    let report = place
        .run(&source, &Tuples, &mut pod(), Options::new(now))
        .unwrap();
    assert_eq!(
        (report.added, report.tuples, report.skipped),
        (entities.len() as u64, tuples.len() as u64, 0)
    );
}
