use rhizome_schema::{Cardinality, Merge, Schema, SchemaError, Schemas, ValueType};
use rhizome_tuple::{EntityId, Value};

#[test]
fn every_embedded_document_is_read_and_in_the_set() {
    for json in Schemas::built_in_documents() {
        let schema = Schema::parse(json.as_bytes()).unwrap();
        assert!(
            Schemas::built_in().schemas().any(|known| *known == schema),
            "{} is missing",
            schema.id
        );
        for (name, attribute) in &schema.attributes {
            assert!(
                !attribute.description.is_empty(),
                "{name} has no description"
            );
            assert_eq!(
                attribute.cardinality.unwrap_or(attribute.cardinality()),
                attribute.cardinality()
            );
        }
        let again = serde_json::to_vec(&schema).unwrap();
        assert_eq!(Schema::parse(&again).unwrap(), schema);
    }
    let ids: Vec<_> = Schemas::built_in()
        .schemas()
        .map(|schema| schema.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "org.rhizome.social/1",
            "org.rhizome.import/1",
            "org.rhizome.schema/1",
            "org.rhizome.activity/1",
            "org.rhizome.book/1",
            "org.rhizome.health/1",
            "org.rhizome.music/1",
            "org.rhizome.photo/1",
            "org.rhizome.message/1",
            "org.rhizome.contact/1",
            "org.rhizome.calendar/1",
            "org.rhizome.mail/1",
            "org.rhizome.feed/1",
            "org.rhizome.note/1",
            "org.rhizome.place/1",
        ]
    );
}

#[test]
fn merge_types_of_the_social_schema() {
    let schemas = Schemas::built_in();
    for (attribute, merge) in [
        ("social/text", Merge::Register),
        ("social/tag", Merge::Set),
        ("social/media", Merge::List),
        ("import/batch", Merge::Counter),
        ("no/such", Merge::Register),
    ] {
        assert_eq!(schemas.merge(attribute), merge, "{attribute}");
    }
    assert_eq!(Merge::List.cardinality(), Cardinality::Many);
    assert!(
        !schemas.indexed("social/html")
            && schemas.indexed("social/url")
            && schemas.indexed("no/such")
    );
    assert_eq!(
        schemas.attribute("social/media").unwrap().entity.as_deref(),
        Some("media")
    );
    assert!(
        schemas
            .entity("post")
            .unwrap()
            .required
            .contains(&"social/audience".to_owned())
    );
    let social = schemas.schemas().next().unwrap();
    assert_eq!(
        social.references_to("media").collect::<Vec<_>>(),
        ["social/media"]
    );
}

#[test]
fn values_are_checked_against_type_values_and_merge() {
    let schemas = Schemas::built_in();
    let entity = EntityId::derive("did:key:z", b"n");
    let good = [
        ("social/text", Value::from("x")),
        ("social/created", Value::Time(0)),
        ("social/audience", Value::from("direct")),
        ("social/author", Value::from(entity)),
        ("import/value", Value::Float(0.5)),
        ("import/batch", Value::Integer(1)),
        ("no/such", Value::Bytes(vec![0])),
    ];
    for (attribute, value) in good {
        assert_eq!(schemas.check(attribute, &value), Ok(()), "{attribute}");
    }
    assert_eq!(
        schemas.check("social/created", &Value::Integer(0)),
        Err(SchemaError::Type {
            attribute: "social/created".into(),
            expected: "time",
            found: "integer"
        })
    );
    assert!(matches!(
        schemas.check("social/audience", &Value::from("friends")),
        Err(SchemaError::NotOneOf { .. })
    ));
    assert!(matches!(
        schemas.check("import/batch", &Value::from("1")),
        Err(SchemaError::Counter { .. })
    ));
}

#[test]
fn every_type_has_a_name_that_leads_back() {
    for value in [
        Value::Boolean(true),
        Value::Integer(1),
        Value::Float(1.5),
        Value::Time(1),
        Value::from("x"),
        Value::Bytes(vec![]),
        Value::Ref(EntityId::from_bytes([0; 24])),
    ] {
        let of = ValueType::of(&value);
        assert_eq!(ValueType::from_name(of.as_str()), Some(of));
        assert!(of.admits(&value) && ValueType::Any.admits(&value));
        assert!(!ValueType::Blob.admits(&value));
    }
    for merge in [Merge::Register, Merge::Set, Merge::Counter, Merge::List] {
        assert_eq!(Merge::from_name(merge.as_str()), Some(merge));
    }
}
