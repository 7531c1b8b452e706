//! Tracks made up here, and the samples where the machine has them.

use crate::pods::{text, value};
use crate::twice::{Twice, file, sampled, survives, with};
use proptest::prelude::*;
use rhizome_import::fixture::File;
use rhizome_import::{Gpx, Pod, ProblemCode};
use rhizome_tuple::{EntityId, Value};
use std::io::Read;

fn files() -> Vec<File> {
    vec![file(
        "walk.gpx",
        "<?xml version=\"1.0\"?><gpx version=\"1.1\" creator=\"made up\" xmlns=\"http://www.topografix.com/GPX/1/1\" xmlns:t=\"http://x.example\"><wpt lat=\"48.1\" lon=\"16.1\"><ele>200</ele><name>Inn</name><sym>Bar</sym><link href=\"https://inn.example\"><text>Inn</text></link></wpt><rte><name>Plan</name><rtept lat=\"1\" lon=\"1\"/><rtept lat=\"2\" lon=\"1\"/></rte><trk><name>Walk</name><type>hiking</type><trkseg><trkpt lat=\"48.0\" lon=\"16.0\"><ele>100.5</ele><time>2024-01-02T10:00:00Z</time><extensions><t:e><t:hr>90</t:hr></t:e></extensions></trkpt><trkpt lat=\"48.01\" lon=\"16.0\"><time>2024-01-02T10:10:00Z</time></trkpt></trkseg><trkseg><trkpt lat=\"48.02\" lon=\"16.02\"><time>2024-01-02T11:00:00Z</time></trkpt><trkpt lat=\"91\" lon=\"0\"/></trkseg></trk></gpx>",
    )]
}

fn one(pod: &rhizome_import::MemoryPod, kind: &str) -> EntityId {
    let found = pod.entities_with("place/type", &Value::from(kind)).unwrap();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

#[test]
fn tracks_routes_and_waypoints_are_read() {
    let twice = Twice::new(&Gpx, &files());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(report.added, 3);
    let walk = one(pod, "track");
    assert_eq!(text(pod, &walk, "place/name").as_deref(), Some("Walk"));
    assert_eq!(
        text(pod, &walk, "place/activity").as_deref(),
        Some("hiking")
    );
    assert_eq!(value(pod, &walk, "place/points"), Some(&Value::Integer(3)));
    assert_eq!(
        value(pod, &walk, "place/time"),
        Some(&Value::Time(1_704_189_600_000))
    );
    assert_eq!(
        value(pod, &walk, "place/end"),
        Some(&Value::Time(1_704_193_200_000))
    );
    assert_eq!(value(pod, &walk, "place/north"), Some(&Value::Float(48.02)));
    let Some(Value::Float(metres)) = value(pod, &walk, "place/distance") else {
        panic!("a length")
    };
    assert!(
        (metres - 1_112.0).abs() < 2.0,
        "the gap between segments is no way gone: {metres}"
    );
    let [Value::Blob(cid)] = pod.values(&walk, "place/path") else {
        panic!("a line")
    };
    let mut bytes = Vec::new();
    twice
        .place
        .blobs
        .open(cid)
        .unwrap()
        .reader(0, u64::MAX)
        .read_to_end(&mut bytes)
        .unwrap();
    let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        line["geometry"]["coordinates"],
        serde_json::json!([[[16.0, 48.0, 100.5], [16.0, 48.01]], [[16.02, 48.02]]])
    );
    assert_eq!(
        line["properties"]["coordinateProperties"]["times"][0][1],
        "2024-01-02T10:10:00Z"
    );
    assert_eq!(
        line["properties"]["coordinateProperties"]["heart"][0][0],
        90.0
    );
    let inn = one(pod, "waypoint");
    assert_eq!(
        text(pod, &inn, "place/url").as_deref(),
        Some("https://inn.example")
    );
    assert_eq!(
        value(pod, &inn, "place/elevation"),
        Some(&Value::Float(200.0))
    );
    assert_eq!(
        value(pod, &one(pod, "route"), "place/points"),
        Some(&Value::Integer(2))
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("1 points are at no place"))
    );
}

#[test]
fn a_later_file_takes_what_changed() {
    let mut twice = Twice::new(&Gpx, &files());
    let report = twice.later(&with(
        &files(),
        "<name>Walk</name>",
        "<name>Long walk</name>",
    ));
    assert_eq!(
        (report.added, report.changed),
        (0, 1),
        "known by when and where it began"
    );
    let report = twice.later(&with(&files(), "<name>Inn</name>", "<name>Hut</name>"));
    assert_eq!((report.added, report.totals.vanished), (1, 1));
    let report = Twice::new(&Gpx, &with(&files(), "</trkseg></trk></gpx>", "")).first;
    assert!(!report.complete && report.kinds["track"].added == 1);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::Malformed)
    );
}

#[test]
fn a_long_track_lies_in_several_blobs() {
    let points: Vec<String> = (0..120_000)
        .map(|n| format!("<trkpt lat=\"{:.5}\" lon=\"1\"/>", f64::from(n) / 2e6))
        .collect();
    let points = points.concat();
    let long = format!("<gpx><trk><trkseg>{points}</trkseg></trk></gpx>");
    let twice = Twice::new(&Gpx, &[file("long.gpx", &long)]);
    let track = one(&twice.pod, "track");
    assert_eq!(twice.pod.values(&track, "place/path").len(), 3);
    assert_eq!(
        value(&twice.pod, &track, "place/points"),
        Some(&Value::Integer(120_000))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn damaged_tracks_never_panic(at: usize, byte: u8, cut: usize) {
        survives(&Gpx, &files(), at, byte, cut);
    }
}

#[test]
fn tracks_of_programs() {
    if let Some((report, _)) = sampled(&Gpx, "gpx") {
        assert!(
            report.kinds["track"].added >= 2 && report.kinds["waypoint"].added >= 2,
            "{:?}",
            report.kinds
        );
    }
}
