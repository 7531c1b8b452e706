//! The export of Apple Health.

use crate::pods::{Place, entity, pod, text, value};
use rhizome_import::fixture::File;
use rhizome_import::{Health, Importer, MemoryPod, Options, ProblemCode, Report};
use rhizome_tuple::{EntityId, Value};

const EXPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [<!ELEMENT HealthData (Record)> <!ATTLIST Record type CDATA #REQUIRED>]>
<HealthData locale="en_US">
 <ExportDate value="2020-01-01 00:00:00 +0000"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="1990-02-02" HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexNotSet"/>
 <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min" creationDate="2020-01-01 10:00:00 -0700" startDate="2020-01-01 09:00:00 -0700" endDate="2020-01-01 09:00:00 -0700" value="72" device="&lt;&lt;HKDevice&gt;&gt;">
  <MetadataEntry key="Motion" value="0"/>
 </Record>
 <Record type="HKCategoryTypeIdentifierSleepAnalysis" sourceName="Watch" startDate="2020-01-01 09:00:00 -0700" endDate="2020-01-01 10:00:00 -0700" value="HKCategoryValueSleepAnalysisAsleep"/>
 <Correlation type="X" startDate="2020-01-01 09:00:00 -0700"><Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min" creationDate="2020-01-01 10:00:00 -0700" startDate="2020-01-01 09:00:00 -0700" endDate="2020-01-01 09:00:00 -0700" value="72"/></Correlation>
 <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="5.5" durationUnit="min" totalDistance="0.5" totalDistanceUnit="mi" sourceName="Watch" startDate="2020-01-02 09:00:00 +0000" endDate="2020-01-02 09:05:30 +0000">
  <WorkoutRoute sourceName="Watch"><FileReference path="/workout-routes/a.gpx"/></WorkoutRoute>
 </Workout>
 <ActivitySummary dateComponents="2020-01-01" activeEnergyBurned="590.25" activeEnergyBurnedGoal="630" activeEnergyBurnedUnit="kcal" appleExerciseTime="68" appleStandHours="13"/>
</HealthData>
"#;

fn files(export: &[u8]) -> Vec<File> {
    vec![
        ("apple_health_export/export.xml".to_owned(), export.to_vec()),
        (
            "apple_health_export/workout-routes/a.gpx".to_owned(),
            b"<gpx/>".to_vec(),
        ),
    ]
}

fn run(place: &Place, export: &[u8], pod: &mut MemoryPod) -> Report {
    let source = place.source("health", &files(export));
    place
        .run(&source, &Health, pod, Options::new(crate::pods::now))
        .unwrap()
}

fn only(pod: &MemoryPod, attribute: &str, of: &str) -> EntityId {
    let found = rhizome_import::Pod::entities_with(pod, attribute, &Value::from(of)).unwrap();
    assert_eq!(found.len(), 1, "{of}");
    found[0]
}

#[test]
fn records_workouts_days_and_the_person() {
    let (place, mut pod) = (Place::new(), pod());
    let report = run(&place, EXPORT.as_bytes(), &mut pod);
    let kinds = ["person", "record", "workout", "day"].map(|kind| report.kinds[kind].added);
    assert_eq!(
        (kinds, report.skipped, report.totals.files),
        ([1, 2, 1, 1], 0, 0),
        "{report:?}"
    );
    let pulse = only(&pod, "health/kind", "HKQuantityTypeIdentifierHeartRate");
    assert_eq!(
        value(&pod, &pulse, "health/value"),
        Some(&Value::Float(72.0))
    );
    assert_eq!(
        value(&pod, &pulse, "health/start"),
        Some(&Value::Time(1_577_894_400_000))
    );
    assert_eq!(
        text(&pod, &pulse, "health/device").as_deref(),
        Some("<<HKDevice>>")
    );
    assert_eq!(
        pod.values(&pulse, "health/meta"),
        [Value::from("Motion: 0")]
    );
    let asleep = only(&pod, "health/kind", "HKCategoryTypeIdentifierSleepAnalysis");
    assert!(text(&pod, &asleep, "health/text").is_some());
    let run_of = only(&pod, "health/type", "workout");
    assert!(matches!(
        value(&pod, &run_of, "health/route"),
        Some(Value::Blob(_))
    ));
    let day = entity("apple-health", "day/2020-01-01");
    assert_eq!(
        value(&pod, &day, "health/energy"),
        Some(&Value::Float(590.25))
    );
    let again = run(&place, EXPORT.as_bytes(), &mut pod);
    assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 5));
    let later = EXPORT
        .replace("appleStandHours=\"13\"", "appleStandHours=\"14\"")
        .replace("<Record type=\"HKCategory", "<Gone type=\"HKCategory");
    let third = run(&place, later.as_bytes(), &mut pod);
    assert_eq!((third.changed, third.totals.vanished), (1, 1), "{third:?}");
}

#[test]
fn what_is_broken_is_reported() {
    let (place, mut pod) = (Place::new(), pod());
    let wrong = EXPORT
        .replace("2020-01-02 09:05:30 +0000", "later")
        .replace("dateComponents", "date")
        .replace("workout-routes/a.gpx", "../../etc/passwd");
    let report = run(&place, wrong.as_bytes(), &mut pod);
    assert_eq!((report.skipped, report.complete), (1, true), "{report:?}");
    for code in [
        ProblemCode::PartIgnored,
        ProblemCode::Malformed,
        ProblemCode::MissingFile,
    ] {
        assert!(report.totals.problems.contains_key(&code), "{code:?}");
    }
    for n in (300..EXPORT.len()).step_by(37) {
        let mut cut = EXPORT.as_bytes()[..n].to_vec();
        cut.push(0xff);
        let source = place.source("health", &files(&cut));
        if Health.recognise(&source).unwrap().is_some() {
            run(&place, &cut, &mut crate::pods::pod());
        }
    }
    // An entity that stands for itself many times over is not followed.
    let bomb = EXPORT
        .replace(
            "<!ELEMENT HealthData (Record)>",
            "<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">",
        )
        .replace("sourceName=\"Watch\"", "sourceName=\"&b;\"");
    let report = run(&place, bomb.as_bytes(), &mut crate::pods::pod());
    assert!(
        report
            .totals
            .problems
            .contains_key(&ProblemCode::PartIgnored)
    );
}
