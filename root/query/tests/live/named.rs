//! One thing at a time.

use super::world::{World, assert, insert, remove, retract, to};
use serde_json::json;

#[test]
fn a_row_comes_and_goes() {
    let mut world = World::new();
    let all = world.subscribe("[:find ?e ?n :where [?e :s/name ?n]]", None, &[]);
    assert_eq!(world.write(vec![assert(1, "s/name", "Ada")]), 1);
    assert_eq!(world.followers[all].rows.len(), 1);
    assert_eq!(world.write(vec![assert(1, "n/age", 36)]), 0);
    assert_eq!(world.write(vec![retract(1, "s/name")]), 1);
    assert!(world.followers[all].rows.is_empty());
}

#[test]
fn a_changed_cell_keeps_the_row() {
    let mut world = World::new();
    world.write(vec![
        assert(1, "s/name", "Ada"),
        assert(2, "s/name", "Alan"),
    ]);
    let all = world.subscribe("[:find ?e ?n :where [?e :s/name ?n]]", None, &[]);
    let before: Vec<_> = world.followers[all].rows.iter().map(|r| r.0).collect();
    world.write(vec![assert(1, "s/name", "Augusta Ada")]);
    let mut after: Vec<_> = world.followers[all].rows.iter().map(|r| r.0).collect();
    after.sort();
    assert_eq!(before, after);
    // two names at once are two rows, and then nothing says which of them is the old one
    world.write(vec![insert(2, "s/name", "Alan Mathison")]);
    assert_eq!(world.followers[all].rows.len(), 3);
}

#[test]
fn groups_keep_their_row() {
    let mut world = World::new();
    let count = world.subscribe(
        "[:find ?k (count ?e) (sum ?n) :where [?e :s/kind ?k] [?e :n/size ?n]]",
        None,
        &[],
    );
    world.write(vec![assert(1, "s/kind", "a"), assert(1, "n/size", 2)]);
    let id = world.followers[count].rows[0].0;
    world.write(vec![assert(2, "s/kind", "a"), assert(2, "n/size", 3)]);
    assert_eq!(
        world.followers[count].rows,
        [(id, vec![json!("a"), json!(2), json!(5)])]
    );
    world.write(vec![remove(1, "s/kind", "a")]);
    assert_eq!(
        world.followers[count].rows,
        [(id, vec![json!("a"), json!(1), json!(3)])]
    );
}

#[test]
fn a_thousand_feeds_are_one_form() {
    let mut world = World::new();
    let mut edits = Vec::new();
    for me in 0..100 {
        edits.push(insert(me, "follows", to(1000 + me % 10)));
    }
    world.write(edits);
    for me in 0..100 {
        let me = crate::generate::data::entity(me);
        let text = format!(
            "[:find ?p ?t :where [\"{me}\" :follows ?u] [?p :author ?u] [?p :created ?t] :order [[1 :desc]] :limit 3]"
        );
        world.subscribe(&text, None, &[]);
    }
    assert_eq!(world.live.forms(), 1);
    for post in 0..40 {
        let told = world.write(vec![
            assert(2000 + post, "author", to(1000 + post % 10)),
            assert(2000 + post, "created", post as i64),
        ]);
        assert_eq!(told, 10);
    }
    // beyond the window nobody hears of it
    assert_eq!(world.write(vec![assert(2001, "created", 0)]), 0);
    assert_eq!(world.write(vec![retract(2039, "created")]), 10);
}

#[test]
fn what_was_evaluated_apart_is_shared() {
    let mut world = World::new();
    world.write(vec![
        insert(1, "follows", to(2)),
        insert(2, "follows", to(3)),
        assert(3, "s/name", "Ada"),
        assert(3, "n/age", 36),
    ]);
    let forms = [
        // the same but for a value that the pod has, one that it has not, and none at all
        "[:find (pull ?e [*]) :where [?e :s/name NAME]]",
        "[:find ?n (count ?e) :where [?e :s/name ?n] [(!= ?n NAME)]]",
        "[:find ?e ?t :where [?e :s/name ?n] [?e :n/age ?a] [(str ?n \"-\" ?a) ?t] [(!= ?t NAME)]]",
        "[:find ?f :where [?e :follows ?f] (or-join [?e ?f] [?e :s/name NAME] [?f :s/name ?n])]",
    ];
    for name in ["\"Ada\"", "\"Grace\"", "\"Grace\"", "\"Ada\"", "\"Alan\""] {
        for form in forms {
            world.subscribe(&form.replace("NAME", name), None, &[]);
            world.set_apart();
        }
        let rules = "[[(reaches ?a ?b) [?a :follows ?b]] [(reaches ?a ?b) [?a :follows ?c] (reaches ?c ?b)]]";
        let text = format!("[:find ?a :in $ % :where (reaches ?a ?b) [?b :s/name {name}]]");
        world.subscribe(&text, Some(rules), &[]);
        world.set_apart();
        world.write(vec![insert(4, "n/age", 1)]);
    }
    assert_eq!(world.live.forms(), forms.len() + 1);
    world.write(vec![assert(2, "s/name", "Grace"), assert(2, "n/age", 85)]);
    world.write(vec![assert(3, "s/name", "Alan"), assert(3, "n/age", 41)]);
    world.write(vec![retract(1, "follows"), insert(1, "follows", to(3))]);
    world.write(vec![assert(3, "n/shoe", 41)]);
    while !world.followers.is_empty() {
        world.unsubscribe(0);
    }
    assert!(world.live.is_empty());
    assert_eq!(world.live.forms(), 0);
}
