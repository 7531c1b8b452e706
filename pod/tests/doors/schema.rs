//! JSON against the schemas of the description: as much of JSON Schema as those use, and more strictly. A member that is not described is a fault, unless the schema
//! says that there may be others.

use serde_json::Value as Json;

/// What says nothing about a value.
const SAYS_NOTHING: [&str; 2] = ["description", "example"];
/// The one schema that may allow everything.
const ANY: &str = "#/components/schemas/Any";

/// What is wrong with a value, with its place.
pub fn check(all: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    at(all, schema, value, "$")
}

fn follow<'a>(all: &'a Json, name: &str) -> &'a Json {
    let place = name.strip_prefix('#').unwrap();
    all.pointer(place)
        .unwrap_or_else(|| panic!("{name} leads nowhere"))
}

fn is_type(name: &str, value: &Json) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

fn at(all: &Json, schema: &Json, value: &Json, place: &str) -> Result<(), String> {
    let says = schema
        .as_object()
        .unwrap_or_else(|| panic!("{place}: no schema: {schema}"));
    let wrong = |why: String| Err(format!("{place}: {why}: {value}"));
    for (word, says) in says {
        match word.as_str() {
            "$ref" => at(all, follow(all, says.as_str().unwrap()), value, place)?,
            "type" => {
                let names: Vec<&str> = match says {
                    Json::Array(all) => all.iter().map(|t| t.as_str().unwrap()).collect(),
                    one => vec![one.as_str().unwrap()],
                };
                if !names.iter().any(|name| is_type(name, value)) {
                    return wrong(format!("not of type {names:?}"));
                }
            }
            "enum" => {
                if !says.as_array().unwrap().contains(value) {
                    return wrong(format!("not one of {says}"));
                }
            }
            "pattern" => {
                // beginnings are all that is used
                let start = says.as_str().unwrap().strip_prefix('^').unwrap();
                assert!(start.chars().all(|c| c.is_alphanumeric() || c == ':'));
                if value.as_str().is_some_and(|text| !text.starts_with(start)) {
                    return wrong(format!("does not begin with {start}"));
                }
            }
            "minItems" | "maxItems" => {
                let (most, wanted) = (word == "maxItems", says.as_u64().unwrap() as usize);
                let len = value.as_array().map_or(wanted, Vec::len);
                if (most && len > wanted) || (!most && len < wanted) {
                    return wrong(format!("not {word} {wanted}"));
                }
            }
            "anyOf" => {
                let each = says.as_array().unwrap().iter();
                let faults: Vec<String> = each
                    .filter_map(|one| at(all, one, value, place).err())
                    .collect();
                if faults.len() == says.as_array().unwrap().len() {
                    return wrong(format!("none of what it may be [{}]", faults.join("; ")));
                }
            }
            "items" => {
                for (i, one) in value.as_array().into_iter().flatten().enumerate() {
                    at(all, says, one, &format!("{place}[{i}]"))?;
                }
            }
            "required" => {
                for name in says.as_array().unwrap() {
                    if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                        return wrong(format!("{name} is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" => {}
            word if SAYS_NOTHING.contains(&word) => {}
            other => panic!("{place}: this check does not know `{other}`"),
        }
    }
    if !says.contains_key("properties") && !says.contains_key("additionalProperties") {
        return Ok(());
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        let known = says.get("properties").and_then(|all| all.get(name));
        let other = says.get("additionalProperties").filter(|s| s.is_object());
        match known.or(other) {
            Some(schema) => at(all, schema, member, &place)?,
            None => return Err(format!("{place} is not described: {member}")),
        }
    }
    Ok(())
}

/// Whether a schema says of every part what it is: an object that may be anything, and a schema without a word, are faults.
pub fn says_all(all: &Json, schema: &Json) -> Result<(), String> {
    fn look(all: &Json, schema: &Json, place: &str, seen: &mut Vec<String>) -> Result<(), String> {
        let Some(says) = schema.as_object().filter(|says| !says.is_empty()) else {
            return Err(format!("{place} says nothing"));
        };
        if let Some(name) = says.get("$ref").and_then(Json::as_str) {
            if name == ANY || seen.iter().any(|s| s == name) {
                return Ok(());
            }
            seen.push(name.to_owned());
            return look(all, follow(all, name), name, seen);
        }
        let types = says.get("type").map(ToString::to_string);
        let types = types.unwrap_or_default();
        let members = says.get("properties").and_then(Json::as_object);
        let others = says.get("additionalProperties").filter(|s| s.is_object());
        if types.contains("object")
            && members.is_none_or(serde_json::Map::is_empty)
            && others.is_none()
        {
            return Err(format!("{place} is an object of anything"));
        }
        if types.contains("array") && !says.contains_key("items") {
            return Err(format!("{place} is an array of anything"));
        }
        if types.is_empty() && !says.contains_key("anyOf") && !says.contains_key("enum") {
            return Err(format!("{place} is anything"));
        }
        for (name, member) in members.into_iter().flatten() {
            look(all, member, &format!("{place}.{name}"), seen)?;
        }
        for (i, one) in says
            .get("anyOf")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            look(all, one, &format!("{place}|{i}"), seen)?;
        }
        for inside in others.into_iter().chain(says.get("items")) {
            look(all, inside, &format!("{place}[]"), seen)?;
        }
        Ok(())
    }
    look(all, schema, "$", &mut Vec::new())
}

#[cfg(test)]
mod tests {
    use super::{check, says_all};
    use serde_json::{Value as Json, json};

    #[test]
    fn the_check_finds_what_does_not_fit() {
        let all = json!({ "components": { "schemas": {
            "Any": { "description": "what it likes" },
            "Post": { "type": "object", "required": ["n"], "properties": {
                "n": { "type": "integer" }, "of": { "type": ["string", "null"], "pattern": "^did:" },
                "kind": { "enum": ["a", null] }, "answers": { "type": "array", "items": { "$ref": "#/components/schemas/Post" } },
                "two": { "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 },
                "free": { "$ref": "#/components/schemas/Any" },
                "by": { "type": "object", "additionalProperties": { "type": "boolean" } } } } } } });
        let schema =
            json!({ "anyOf": [{ "$ref": "#/components/schemas/Post" }, { "type": "null" }] });
        says_all(&all, &schema).unwrap();
        for good in [
            json!(null),
            json!({ "n": 1, "of": "did:x", "kind": null, "answers": [{ "n": 2 }], "two": [1, 2], "free": [{}], "by": { "x": true } }),
            json!({ "n": 1, "of": null }),
        ] {
            check(&all, &schema, &good).unwrap();
        }
        for (bad, place) in [
            (json!({}), "missing"),
            (json!("x"), "type"),
            (json!({ "n": 1.5 }), "$.n"),
            (json!({ "n": "1" }), "$.n"),
            (json!({ "n": 1, "more": 1 }), "$.more is not described"),
            (json!({ "n": 1, "of": "x" }), "$.of"),
            (json!({ "n": 1, "kind": "b" }), "$.kind"),
            (
                json!({ "n": 1, "answers": [{ "n": 1 }, { "n": 1, "x": 1 }] }),
                "$.answers[1].x",
            ),
            (json!({ "n": 1, "answers": {} }), "$.answers"),
            (json!({ "n": 1, "two": [1] }), "$.two"),
            (json!({ "n": 1, "two": [1, 2, 3] }), "$.two"),
            (json!({ "n": 1, "by": { "x": 1 } }), "$.by.x"),
        ] {
            let found = check(&all, &schema, &bad).unwrap_err();
            assert!(found.contains(place), "{found}");
        }
    }

    #[test]
    fn a_schema_that_says_nothing_is_found() {
        let all =
            json!({ "components": { "schemas": { "Any": {}, "Thing": { "type": "object" } } } });
        let bad: [Json; 7] = [
            json!({}),
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": {} }),
            json!({ "type": "array" }),
            json!({ "type": "array", "items": {} }),
            json!({ "type": "object", "properties": { "x": { "description": "x" } } }),
            json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Thing" }] }),
        ];
        for schema in bad {
            assert!(says_all(&all, &schema).is_err(), "{schema}");
        }
    }
}
