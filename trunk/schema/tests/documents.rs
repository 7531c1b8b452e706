use rhizome_schema::{MAX_ATTRIBUTES, MAX_DOCUMENT_LEN, Schema, SchemaError, Schemas};

fn parse(json: &str) -> Result<Schema, SchemaError> {
    Schema::parse(json.as_bytes())
}

#[test]
fn a_small_schema_has_sensible_defaults() {
    let schema =
        parse(r#"{"id": "io.example.recipes/1", "attributes": {"recipe/name": {}}}"#).unwrap();
    let attribute = &schema.attributes["recipe/name"];
    assert!(attribute.indexed && attribute.merge == rhizome_schema::Merge::Register);
}

#[test]
fn documents_that_contradict_themselves_are_refused_with_the_reason() {
    for (json, why) in [
        (r#"{"id": "x", "attributes": {}}"#, "version"),
        (r#"{"id": "x/1", "attributes": {"a b": {}}}"#, "attribute"),
        (
            r#"{"id": "x/1", "attributes": {"a": {"merge": "counter", "type": "text"}}}"#,
            "integers",
        ),
        (
            r#"{"id": "x/1", "attributes": {"a": {"merge": "set", "cardinality": "one"}}}"#,
            "cardinality",
        ),
        (
            r#"{"id": "x/1", "attributes": {"a": {"type": "integer", "values": ["1"]}}}"#,
            "texts",
        ),
        (
            r#"{"id": "x/1", "attributes": {"a": {"type": "ref", "entity": "dog"}}}"#,
            "dog",
        ),
        (
            r#"{"id": "x/1", "attributes": {"a": {"type": "text", "entity": "dog"}}}"#,
            "references",
        ),
        (
            r#"{"id": "x/1", "attributes": {}, "entities": {"dog": {"required": ["a"]}}}"#,
            "does not describe",
        ),
    ] {
        match parse(json) {
            Err(SchemaError::Inconsistent { why: said, .. }) => {
                assert!(said.contains(why), "{said}");
            }
            other => panic!("{json}: {other:?}"),
        }
    }
}

#[test]
fn documents_of_another_shape_or_size_are_refused() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"id": "x/1"}"#,
        r#"{"id": "x/1", "attributes": {}, "extra": 1}"#,
        r#"{"id": "x/1", "attributes": {"a": {"merge": "text"}}}"#,
    ] {
        assert!(
            matches!(parse(json), Err(SchemaError::Document(_))),
            "{json}"
        );
    }
    let long = format!(
        r#"{{"id": "x/1", "attributes": {{}}, "title": "{}"}}"#,
        "x".repeat(MAX_DOCUMENT_LEN)
    );
    assert!(matches!(parse(&long), Err(SchemaError::Document(_))));
    let many: Vec<_> = (0..=MAX_ATTRIBUTES)
        .map(|n| format!(r#""a{n}": {{}}"#))
        .collect();
    let many = format!(r#"{{"id": "x/1", "attributes": {{{}}}}}"#, many.join(","));
    assert!(matches!(
        parse(&many),
        Err(SchemaError::Inconsistent { .. })
    ));
}

#[test]
fn two_schemas_may_share_an_attribute_only_if_they_agree() {
    let mut schemas = Schemas::built_in().clone();
    let agreeing = parse(r#"{"id": "y/1", "attributes": {"mine/x": {"type": "text"}}}"#).unwrap();
    schemas.add(agreeing.clone()).unwrap();
    schemas
        .add(Schema {
            id: "y/2".into(),
            ..agreeing
        })
        .unwrap();
    let before = schemas.attributes().count();
    let other =
        parse(r#"{"id": "z/1", "attributes": {"fresh/x": {}, "social/tag": {"type": "text"}}}"#)
            .unwrap();
    assert_eq!(
        schemas.add(other),
        Err(SchemaError::Taken {
            attribute: "social/tag".into(),
            by: "org.rhizome.social/1".into()
        })
    );
    assert_eq!(
        schemas.attributes().count(),
        before,
        "nothing of a refused schema is added"
    );
}
