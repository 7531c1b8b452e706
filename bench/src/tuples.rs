//! The tuples of a run, in memory, as every engine's loader gets them.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};

/// A value as the file types it: `s`, `i`, `t`, `b` or `r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Text(&'static str),
    Integer(i64),
    /// Milliseconds since 1970.
    Time(i64),
    Boolean(bool),
    /// Another entity.
    Reference(u32),
}

#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    pub entity: u32,
    /// Index into [`Tuples::attributes`].
    pub attribute: u16,
    pub value: Value,
}

pub struct Tuples {
    pub attributes: Vec<&'static str>,
    pub rows: Vec<Tuple>,
}

impl Tuples {
    /// Reads a whole file; its text stays in memory for the life of the process, so values are slices of it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.into(),
            source,
        })?;
        Self::parse(Box::leak(text.into_boxed_str())).map_err(|(line, reason)| Error::Tuple {
            path: path.into(),
            line,
            reason,
        })
    }

    fn parse(text: &'static str) -> std::result::Result<Self, (usize, &'static str)> {
        let mut attributes = Vec::new();
        let mut known: FxHashMap<&str, u16> = FxHashMap::default();
        let mut rows = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let fault = |reason| (i + 1, reason);
            let mut fields = line.splitn(4, '\t');
            let mut field = || fields.next().ok_or(fault("a field is missing"));
            let entity = field()?
                .parse()
                .map_err(|_| fault("the entity is not a number"))?;
            let name = field()?;
            let attribute = *known.entry(name).or_insert_with(|| {
                attributes.push(name);
                (attributes.len() - 1) as u16
            });
            let kind = field()?;
            let value = field()?;
            let value = match kind {
                "s" => Value::Text(value),
                "i" => Value::Integer(value.parse().map_err(|_| fault("not an integer"))?),
                "t" => Value::Time(value.parse().map_err(|_| fault("not a time"))?),
                "b" => Value::Boolean(value == "true"),
                "r" => Value::Reference(value.parse().map_err(|_| fault("not a reference"))?),
                _ => return Err(fault("unknown type")),
            };
            rows.push(Tuple {
                entity,
                attribute,
                value,
            });
        }
        Ok(Self { attributes, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_type_and_names_the_line_of_a_fault() {
        let tuples = Tuples::parse(
            "1\tname\ts\tAda L\n1\tage\ti\t-5\n2\tat\tt\t7\n2\tok\tb\ttrue\n2\tby\tr\t1\n",
        )
        .unwrap();
        let values: Vec<Value> = tuples.rows.iter().map(|t| t.value).collect();
        let expected = [
            Value::Text("Ada L"),
            Value::Integer(-5),
            Value::Time(7),
            Value::Boolean(true),
            Value::Reference(1),
        ];
        assert_eq!(values, expected);
        assert_eq!(tuples.attributes[4], "by");
        assert_eq!(
            Tuples::parse("1\ta\ts\tx\n1\ta\tq\tx\n").err(),
            Some((2, "unknown type"))
        );
        assert_eq!(
            Tuples::parse("1\ta\n").err(),
            Some((1, "a field is missing"))
        );
    }
}
