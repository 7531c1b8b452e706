//! Reading foreign JSON objects field by field: what is not of the expected type is reported and passed over.

use rhizome_schema::ValueType;
use serde_json::{Map, Value};

use crate::problem::{Problem, ProblemCode};
use crate::time::parse_time;

/// One JSON object while it is read, with what was wrong in it.
pub struct Part<'a> {
    fields: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl<'a> Part<'a> {
    pub fn new(fields: &'a Map<String, Value>) -> Self {
        Self {
            fields,
            wrong: Vec::new(),
        }
    }

    /// The problems met, for the record `item` in `file`.
    pub fn problems(self, file: &str, item: &str) -> impl Iterator<Item = Problem> {
        self.wrong
            .into_iter()
            .map(move |message| Problem::of_item(ProblemCode::PartIgnored, file, item, message))
    }

    /// Notes something wrong with this object.
    pub fn complain(&mut self, message: impl Into<String>) {
        self.wrong.push(message.into());
    }

    /// A field that is there and not null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn of_type<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let read = read(value);
        if read.is_none() {
            self.complain(format!("{name} is not {expected}; it was left out"));
        }
        read
    }

    /// A text; empty texts count as absent.
    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        self.of_type(name, "a text", Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.of_type(name, "true or false", Value::as_bool)
    }

    /// An integer that is not negative.
    pub fn count(&mut self, name: &str) -> Option<i64> {
        self.of_type(name, "a whole number", |value| {
            value.as_i64().filter(|n| *n >= 0)
        })
    }

    /// An RFC 3339 time, as milliseconds since 1970.
    pub fn time(&mut self, name: &str) -> Option<i64> {
        self.of_type(name, "a time", |value| parse_time(value.as_str()?))
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        self.of_type(name, "an object", Value::as_object)
    }

    /// The objects of an array, or a single object in its place; other elements are reported.
    pub fn objects(&mut self, name: &str) -> Vec<&'a Map<String, Value>> {
        let many = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(many)) => many.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let objects: Vec<_> = many.iter().filter_map(Value::as_object).collect();
        if objects.len() < many.len() {
            self.complain(format!(
                "{name} holds {} things that are not objects; they were left out",
                many.len() - objects.len()
            ));
        }
        objects
    }

    /// The texts of an array, or a single text in its place; other elements are reported.
    pub fn texts(&mut self, name: &str) -> Vec<&'a str> {
        let many = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(many)) => many.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let texts: Vec<_> = many.iter().filter_map(Value::as_str).collect();
        if texts.len() < many.len() {
            self.complain(format!(
                "{name} holds {} things that are not texts; they were left out",
                many.len() - texts.len()
            ));
        }
        texts
    }
}

/// What a JSON value is called in messages.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => ValueType::Boolean.as_str(),
        Value::Number(_) => "number",
        Value::String(_) => ValueType::Text.as_str(),
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
