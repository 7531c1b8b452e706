//! Importing again: what was edited here, what changed there, what is gone.

use crate::pods::{Place, entity, pod, text, value};
use rhizome_import::fixture::{mastodon, mastodon_with, status};
use rhizome_import::{ImportError, Mastodon, MemoryPod, Options, Pod, PodError, Report};
use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Value as Json, json};

fn post(n: u64) -> EntityId {
    entity("mastodon", &status(n))
}

fn set(pod: &mut MemoryPod, entity: EntityId, name: &str, to: &str) {
    pod.apply(Edit::Assert(
        entity,
        crate::pods::attribute(name),
        Value::from(to),
    ));
}

/// Changes one post of a later export.
fn changed(n: usize, change: impl FnOnce(&mut Json)) -> Vec<rhizome_import::fixture::File> {
    mastodon_with(|items| change(&mut items[n - 1]["object"]))
}

struct Twice {
    place: Place,
    pod: MemoryPod,
}

impl Twice {
    fn new() -> Self {
        let place = Place::new();
        let mut pod = pod();
        place.import(&place.source("first", &mastodon()), &mut pod);
        Self { place, pod }
    }

    fn again(&mut self, files: &[rhizome_import::fixture::File]) -> Report {
        self.place
            .import(&self.place.source("second", files), &mut self.pod)
    }
}

#[test]
fn the_same_export_changes_nothing() {
    let mut twice = Twice::new();
    let before = twice.pod.clone();
    let report = twice.again(&mastodon());
    assert_eq!((report.added, report.changed, report.skipped), (0, 0, 0));
    assert!(report.kept.is_empty() && report.taken.is_empty() && report.conflicts.is_empty());
    for (entity, facts) in before.entities() {
        if facts
            .keys()
            .all(|name| !name.as_str().starts_with("import/"))
        {
            assert_eq!(twice.pod.entities()[entity], *facts);
        }
    }
}

#[test]
fn an_edit_here_stays_when_the_export_says_what_it_said() {
    let mut twice = Twice::new();
    set(&mut twice.pod, post(2), "social/summary", "My own warning");
    let report = twice.again(&mastodon());
    assert_eq!(
        (report.added, report.changed, report.totals.kept),
        (0, 0, 1)
    );
    let kept = &report.kept[0];
    assert_eq!(
        (kept.attribute.as_str(), &kept.here, &kept.export),
        (
            "social/summary",
            &json!("My own warning"),
            &json!("Long read")
        )
    );
    assert_eq!(kept.key.as_deref(), Some(status(2).as_str()));
    assert_eq!(
        text(&twice.pod, &post(2), "social/summary").as_deref(),
        Some("My own warning")
    );
}

#[test]
fn a_change_there_is_taken_where_nothing_was_edited_here() {
    let mut twice = Twice::new();
    let report = twice.again(&changed(2, |post| {
        post["content"] = json!("<p>Edited at the source.</p>");
        post["summary"] = Json::Null;
        post["updated"] = json!("2024-04-01T00:00:00Z");
    }));
    assert_eq!(
        (report.added, report.changed, report.kinds["post"].changed),
        (0, 1, 1)
    );
    let taken: Vec<_> = report
        .taken
        .iter()
        .map(|line| line.attribute.as_str())
        .collect();
    assert_eq!(
        taken,
        [
            "social/updated",
            "social/text",
            "social/html",
            "social/summary"
        ]
    );
    assert_eq!(
        text(&twice.pod, &post(2), "social/text").as_deref(),
        Some("Edited at the source.")
    );
    assert_eq!(
        value(&twice.pod, &post(2), "social/summary"),
        None,
        "removed there, so removed here"
    );
    let report = twice.again(&changed(2, |post| {
        post["content"] = json!("<p>Edited at the source.</p>");
        post["summary"] = Json::Null;
        post["updated"] = json!("2024-04-01T00:00:00Z");
    }));
    assert_eq!((report.added, report.changed), (0, 0));
}

#[test]
fn changed_on_both_sides_stays_here_and_waits_as_a_proposal() {
    let mut twice = Twice::new();
    set(&mut twice.pod, post(2), "social/summary", "Mine");
    let theirs = changed(2, |post| post["summary"] = json!("Theirs"));
    let report = twice.again(&theirs);
    assert_eq!((report.changed, report.totals.conflicts), (0, 1));
    assert_eq!(
        text(&twice.pod, &post(2), "social/summary").as_deref(),
        Some("Mine")
    );
    let open = |pod: &MemoryPod| {
        pod.entities_with("import/state", &Value::from("open"))
            .unwrap()
    };
    let [conflict] = open(&twice.pod)[..] else {
        panic!("one open conflict")
    };
    assert_eq!(
        value(&twice.pod, &conflict, "import/of"),
        Some(&Value::Ref(post(2)))
    );
    assert_eq!(
        text(&twice.pod, &conflict, "import/attribute").as_deref(),
        Some("social/summary")
    );
    assert_eq!(
        text(&twice.pod, &conflict, "import/value").as_deref(),
        Some("Theirs")
    );
    // The same export again: known, kept, still open.
    let report = twice.again(&theirs);
    assert_eq!((report.totals.conflicts, report.totals.kept), (0, 1));
    assert_eq!(open(&twice.pod), [conflict]);
    // The person takes the proposal: it closes by itself.
    set(&mut twice.pod, post(2), "social/summary", "Theirs");
    let report = twice.again(&theirs);
    assert_eq!((report.totals.conflicts, report.totals.kept), (0, 0));
    assert_eq!(open(&twice.pod), []);
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict_and_the_next_change_is_taken() {
    let mut twice = Twice::new();
    set(&mut twice.pod, post(2), "social/summary", "Agreed");
    let report = twice.again(&changed(2, |post| post["summary"] = json!("Agreed")));
    assert_eq!(
        (report.changed, report.totals.conflicts, report.totals.kept),
        (0, 0, 0)
    );
    let report = twice.again(&changed(2, |post| post["summary"] = json!("Next")));
    assert_eq!((report.changed, report.totals.taken), (1, 1));
}

#[test]
fn what_was_deleted_here_stays_deleted() {
    let mut twice = Twice::new();
    twice.pod.apply(Edit::Erase(post(1)));
    twice.pod.apply(Edit::Retract(
        post(2),
        crate::pods::attribute("social/summary"),
        None,
    ));
    let report = twice.again(&mastodon());
    assert_eq!(
        (
            report.added,
            report.changed,
            report.skipped,
            report.totals.deleted
        ),
        (0, 0, 1, 1)
    );
    assert_eq!(report.totals.kept, 1, "the deleted warning");
    assert!(
        twice.pod.values(&post(1), "social/text").is_empty()
            && twice.pod.values(&post(2), "social/summary").is_empty()
    );
    let report = twice.again(&changed(1, |post| {
        post["content"] = json!("<p>Changed</p>");
    }));
    assert_eq!(
        (report.added, report.changed, report.totals.deleted),
        (0, 0, 1)
    );
    assert!(
        report
            .kept
            .iter()
            .any(|line| line.attribute == "social/text" && line.here.is_null())
    );
    assert!(twice.pod.values(&post(1), "social/text").is_empty());
}

#[test]
fn what_is_gone_from_the_export_stays_and_is_told() {
    let mut twice = Twice::new();
    let without = mastodon_with(|items| {
        items.remove(3);
    });
    let report = twice.again(&without);
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (0, 0, 1)
    );
    assert_eq!(report.vanished, [post(4)]);
    assert!(text(&twice.pod, &post(4), "social/text").is_some());
}

#[test]
fn members_of_sets_are_compared_one_by_one() {
    let mut twice = Twice::new();
    let tag = crate::pods::attribute("social/tag");
    twice
        .pod
        .apply(Edit::Insert(post(1), tag.clone(), Value::from("mine")));
    twice
        .pod
        .apply(Edit::Retract(post(1), tag, Some(Value::from("rhizome"))));
    let hashtag = |name: &str| json!({"type": "Hashtag", "name": name});
    let report = twice.again(&changed(1, |post| {
        post["tag"] = json!([hashtag("#rhizome"), hashtag("#new")]);
    }));
    assert_eq!(
        twice.pod.values(&post(1), "social/tag"),
        [Value::from("mine"), Value::from("new")]
    );
    assert_eq!(
        (
            report.totals.kept,
            report.totals.taken,
            report.totals.conflicts
        ),
        (1, 1, 0)
    );
    let report = twice.again(&changed(1, |post| post["tag"] = json!([])));
    assert_eq!(
        twice.pod.values(&post(1), "social/tag"),
        [Value::from("mine")],
        "removed there; what is from here stays"
    );
    assert_eq!(report.changed, 1);
}

#[test]
fn a_list_is_taken_whole_or_kept_whole() {
    let mut twice = Twice::new();
    let media = crate::pods::attribute("social/media");
    let pictures = twice.pod.values(&post(1), "social/media").to_vec();
    let report = twice.again(&changed(1, |post| {
        post["attachment"].as_array_mut().unwrap().reverse();
    }));
    assert_eq!(report.totals.taken, 1);
    let reversed: Vec<_> = pictures.iter().rev().cloned().collect();
    assert_eq!(twice.pod.values(&post(1), "social/media"), reversed);
    twice
        .pod
        .apply(Edit::SetList(post(1), media, pictures[..1].to_vec()));
    let report = twice.again(&mastodon());
    assert_eq!((report.totals.conflicts, report.totals.taken), (1, 0));
    assert_eq!(twice.pod.values(&post(1), "social/media"), &pictures[..1]);
}

#[test]
fn a_new_post_is_added_beside_the_old_ones() {
    let mut twice = Twice::new();
    let more = mastodon_with(|items| {
        let mut post = items[0].clone();
        post["id"] = json!(format!("{}/activity", status(12)));
        post["object"]["id"] = json!(status(12));
        post["object"]["attachment"] = json!([]);
        items.push(post);
    });
    let report = twice.again(&more);
    assert_eq!((report.added, report.changed), (1, 0));
}

#[test]
fn without_the_base_nothing_of_the_persons_is_overwritten() {
    let mut twice = Twice::new();
    set(&mut twice.pod, post(2), "social/summary", "Mine");
    let base: Vec<_> = twice
        .place
        .blobs
        .iter()
        .map(|blob| blob.unwrap().0)
        .collect();
    let named = twice
        .pod
        .entities()
        .values()
        .flat_map(|facts| facts.iter())
        .filter(|(name, _)| name.as_str() == "import/base");
    let named: Vec<_> = named.flat_map(|(_, values)| values.clone()).collect();
    for cid in base
        .into_iter()
        .filter(|cid| named.contains(&Value::Blob(*cid)))
    {
        twice.place.blobs.remove(&cid).unwrap();
    }
    let report = twice.again(&mastodon());
    assert_eq!(
        (report.added, report.changed, report.totals.conflicts),
        (0, 0, 1)
    );
    assert_eq!(
        report.totals.problems[&rhizome_import::ProblemCode::Base],
        1
    );
    assert_eq!(
        text(&twice.pod, &post(2), "social/summary").as_deref(),
        Some("Mine")
    );
}

/// A pod whose disk is full after some writes.
struct Full<'a> {
    pod: &'a mut MemoryPod,
    writes: usize,
}

impl Pod for Full<'_> {
    fn creator(&self) -> &str {
        self.pod.creator()
    }

    fn held(&self, entity: &EntityId) -> Result<Vec<(Attribute, Vec<Value>)>, PodError> {
        self.pod.held(entity)
    }

    fn elements(&self, entity: &EntityId, attribute: &Attribute) -> Result<Vec<Value>, PodError> {
        self.pod.elements(entity, attribute)
    }

    fn entities_with(&self, attribute: &str, value: &Value) -> Result<Vec<EntityId>, PodError> {
        self.pod.entities_with(attribute, value)
    }

    fn write(&mut self, edits: Vec<Edit>) -> Result<(), PodError> {
        self.writes = self.writes.checked_sub(1).ok_or("no space left")?;
        self.pod.write(edits)
    }

    fn flush(&mut self) -> Result<(), PodError> {
        Ok(())
    }
}

#[test]
fn an_import_that_fails_at_any_write_is_continued_by_the_next() {
    let content = |pod: &MemoryPod| {
        let own = |name: &Attribute| !name.as_str().starts_with("import/");
        let facts = pod.entities().iter().map(|(entity, facts)| {
            let facts = facts.iter().filter(|(name, _)| own(name));
            (
                *entity,
                facts
                    .map(|(name, values)| (name.clone(), values.clone()))
                    .collect::<Vec<_>>(),
            )
        });
        facts
            .filter(|(_, facts)| !facts.is_empty())
            .collect::<Vec<_>>()
    };
    let place = Place::new();
    let source = place.source("archive", &mastodon());
    let options = Options {
        batch: 20,
        ..Options::new(crate::pods::now)
    };
    let mut whole = pod();
    let expected = place.run(&source, &Mastodon, &mut whole, options).unwrap();
    let writes = whole.writes();
    assert!(writes > 8, "{writes} writes");
    for allowed in 0..writes {
        let mut pod = pod();
        let failed = place
            .run(
                &source,
                &Mastodon,
                &mut Full {
                    pod: &mut pod,
                    writes: allowed,
                },
                options,
            )
            .unwrap_err();
        assert!(matches!(failed.error, ImportError::Pod(_)), "{failed}");
        assert!(!failed.report.complete);
        let report = place.run(&source, &Mastodon, &mut pod, options).unwrap();
        assert_eq!(
            report.unchanged, failed.report.added,
            "after {allowed} writes"
        );
        assert_eq!(report.added + report.unchanged, expected.added);
        assert_eq!(
            (report.changed, report.totals.conflicts, report.totals.kept),
            (0, 0, 0)
        );
        assert_eq!(content(&pod), content(&whole), "after {allowed} writes");
    }
}

#[test]
fn many_small_imports_merge_their_bases() {
    let place = Place::new();
    let mut pod = pod();
    for n in 0..20 {
        let files = changed(2, |post| post["summary"] = json!(format!("Version {n}")));
        let report = place.import(&place.source("later", &files), &mut pod);
        assert_eq!(report.changed, u64::from(n > 0), "{n}");
    }
    let bases: usize = pod
        .entities()
        .values()
        .map(|facts| {
            facts
                .iter()
                .filter(|(name, _)| name.as_str() == "import/base")
                .map(|(_, v)| v.len())
                .sum::<usize>()
        })
        .sum();
    assert!((1..=9).contains(&bases), "{bases} segments");
    assert_eq!(
        text(&pod, &post(2), "social/summary").as_deref(),
        Some("Version 19")
    );
}
