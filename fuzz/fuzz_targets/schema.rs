//! Schema documents, and schemas declared by tuples: what is taken is consistent, and order does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::{Input, world};
use rhizome_schema::{Declaration, Schema, Schemas};
use rhizome_tuple::{Attribute, EntityId, Value};

const MEMBERS: [&str; 7] = ["attribute", "merge", "value-type", "description", "indexed", "other", ""];

fn declared(facts: &[(EntityId, String, Value)]) -> (Schemas, Vec<Declaration>) {
    let mut schemas = Schemas::built_in().clone();
    let said = schemas.declare(facts.iter().map(|(e, a, v)| (*e, a.as_str(), v)));
    (schemas, said)
}

fuzz_target!(|data: &[u8]| {
    match Schema::parse(data) {
        Ok(schema) => {
            for (name, attribute) in &schema.attributes {
                assert!(Attribute::new(name).is_ok());
                assert!(attribute.entity.as_ref().is_none_or(|e| schema.entities.contains_key(e)));
            }
            let again = serde_json::to_vec(&schema).expect("what was read can be written");
            assert_eq!(Schema::parse(&again).ok().as_ref(), Some(&schema));
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "a message, not an echo"),
    }

    let mut input = Input::new(data);
    let mut facts: Vec<(EntityId, String, Value)> = Vec::new();
    while !input.is_empty() && facts.len() < 64 {
        let entity = world::entity(input.below(4) as u64);
        let name = format!("schema/{}", input.of(&MEMBERS));
        let value = match input.below(4) {
            0 => Value::Boolean(input.one_in(2)),
            1 => Value::from(*input.of(&["set", "list", "counter", "register", "text", "integer", "ref", "any", "x/y"])),
            _ => {
                let n = input.below(24);
                Value::from(String::from_utf8_lossy(input.take(n)).into_owned())
            }
        };
        // of a register only one value is current
        if !facts.iter().any(|f| f.0 == entity && f.1 == name) {
            facts.push((entity, name, value));
        }
    }
    let (schemas, said) = declared(&facts);
    for declaration in &said {
        match &declaration.refused {
            None => assert!(Attribute::new(&declaration.attribute).is_ok()),
            Some(why) => assert!(why.to_string().len() < 2_000),
        }
    }
    facts.reverse();
    let (again, said_again) = declared(&facts);
    assert_eq!(said, said_again);
    for declaration in &said {
        assert_eq!(
            schemas.merge(&declaration.attribute),
            again.merge(&declaration.attribute)
        );
    }
});
