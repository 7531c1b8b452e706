use rhizome_schema::{Merge, SchemaError, Schemas, ValueType};
use rhizome_tuple::{EntityId, Value};

fn entity(n: u8) -> EntityId {
    EntityId::from_bytes([n; 24])
}

type Facts = Vec<(EntityId, &'static str, Value)>;

fn declare(schemas: &mut Schemas, facts: &Facts) -> Vec<Option<SchemaError>> {
    let facts = facts.iter().map(|(e, a, v)| (*e, *a, v));
    schemas
        .declare(facts)
        .into_iter()
        .map(|declaration| declaration.refused)
        .collect()
}

fn one(n: u8, attribute: &str, merge: &str) -> Facts {
    vec![
        (entity(n), "schema/attribute", Value::from(attribute)),
        (entity(n), "schema/merge", Value::from(merge)),
    ]
}

#[test]
fn a_declaration_changes_merge_and_type() {
    let mut schemas = Schemas::built_in().clone();
    let mut facts = one(1, "recipe/step", "list");
    facts.push((entity(1), "schema/value-type", Value::from("text")));
    facts.push((entity(1), "schema/indexed", Value::Boolean(false)));
    facts.push((entity(2), "social/name", Value::from("unrelated")));
    assert_eq!(declare(&mut schemas, &facts), [None]);
    let step = schemas.attribute("recipe/step").unwrap();
    assert_eq!(
        (step.merge, step.value_type, step.indexed),
        (Merge::List, ValueType::Text, false)
    );
    assert!(schemas.check("recipe/step", &Value::Integer(1)).is_err());
}

#[test]
fn order_does_not_matter_and_the_lower_id_goes_first() {
    let mut facts = one(7, "x/y", "set");
    facts.extend(one(3, "x/y", "list"));
    for turn in 0..facts.len() {
        facts.rotate_left(turn);
        let mut schemas = Schemas::empty();
        let refused = declare(&mut schemas, &facts);
        assert_eq!(schemas.merge("x/y"), Merge::List);
        assert_eq!(
            refused,
            [
                None,
                Some(SchemaError::Taken {
                    attribute: "x/y".into(),
                    by: entity(3).to_string()
                })
            ]
        );
    }
}

#[test]
fn public_schemas_go_before_declarations() {
    let mut schemas = Schemas::built_in().clone();
    let refused = declare(&mut schemas, &one(1, "social/tag", "register"));
    assert!(matches!(
        refused.as_slice(),
        [Some(SchemaError::Taken { .. })]
    ));
    assert_eq!(schemas.merge("social/tag"), Merge::Set);
}

#[test]
fn reading_declarations_again_follows_the_pod() {
    let mut schemas = Schemas::built_in().clone();
    declare(&mut schemas, &one(5, "x/y", "set"));
    assert_eq!(declare(&mut schemas, &one(5, "x/y", "counter")), [None]);
    assert_eq!(schemas.merge("x/y"), Merge::Counter);
    assert_eq!(declare(&mut schemas, &Facts::new()), []);
    assert_eq!(schemas.merge("x/y"), Merge::Register);
    assert_eq!(schemas.merge("social/tag"), Merge::Set);
}

#[test]
fn unusable_declarations_are_returned_with_their_reason() {
    let mut schemas = Schemas::empty();
    let facts: Facts = vec![
        (entity(1), "schema/merge", Value::from("set")),
        (entity(2), "schema/attribute", Value::from("white space")),
        (entity(3), "schema/attribute", Value::Integer(3)),
        (entity(4), "schema/attribute", Value::from("a/b")),
        (entity(4), "schema/merge", Value::from("text")),
        (entity(5), "schema/attribute", Value::from("a/c")),
        (entity(5), "schema/value-type", Value::from("number")),
        (entity(6), "schema/attribute", Value::from("a/d")),
        (entity(6), "schema/merge", Value::from("counter")),
        (entity(6), "schema/value-type", Value::from("text")),
    ];
    let refused = declare(&mut schemas, &facts);
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(Option::is_some), "{refused:?}");
    assert_eq!(schemas.attributes().count(), 0);
}
