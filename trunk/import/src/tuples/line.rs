//! One line.

/// A line taken apart, borrowing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The entity column.
    pub entity: &'a str,
    /// The attribute column, which is a valid attribute name.
    pub attribute: &'a str,
    /// Type and value.
    pub value: Scalar<'a>,
}

/// A value as a line writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `s`
    Text(&'a str),
    /// `i`
    Integer(i64),
    /// `t`
    Time(i64),
    /// `b`
    Boolean(bool),
    /// `r`
    Ref(&'a str),
}

impl<'a> Line<'a> {
    /// Takes a line apart, without its line break.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(line: &'a [u8]) -> Result<Self, &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        Self::parse_text(line)
    }

    pub(super) fn parse_text(line: &'a str) -> Result<Self, &'static str> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (entity, rest) =
            cut(line).ok_or("it is not entity, attribute, type and value with tabs between")?;
        let (attribute, rest) =
            cut(rest).ok_or("it is not entity, attribute, type and value with tabs between")?;
        let (kind, value) =
            cut(rest).ok_or("it is not entity, attribute, type and value with tabs between")?;
        if entity.is_empty() || entity.len() > crate::limits::KEY_BYTES {
            return Err("its entity is empty or too long");
        }
        if !is_name(attribute) {
            return Err("its attribute is not a name: 1 to 255 bytes without white space");
        }
        let value = match kind.as_bytes() {
            b"s" if value.len() > crate::limits::TEXT_BYTES => return Err("its text is too long"),
            b"s" => Scalar::Text(value),
            b"i" => Scalar::Integer(
                value
                    .parse()
                    .map_err(|_| "its value is not a whole number of 64 bits")?,
            ),
            b"t" => Scalar::Time(
                value
                    .parse()
                    .map_err(|_| "its value is not a number of milliseconds")?,
            ),
            b"b" => match value {
                "true" => Scalar::Boolean(true),
                "false" => Scalar::Boolean(false),
                _ => return Err("its value is neither true nor false"),
            },
            b"r" if value.is_empty() || value.len() > crate::limits::KEY_BYTES => {
                return Err("its reference is empty or too long");
            }
            b"r" => Scalar::Ref(value),
            _ => return Err("its type is none of s, i, t, b and r"),
        };
        Ok(Self {
            entity,
            attribute,
            value,
        })
    }
}

/// What [`rhizome_tuple::Attribute::new`] takes, without making one for each line.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b > b' ' && b < 0x7f;
    let fits = !name.is_empty() && name.len() <= rhizome_tuple::MAX_ATTRIBUTE_LEN;
    fits && (name.bytes().all(plain) || !name.chars().any(|c| c.is_whitespace() || c.is_control()))
}

fn cut(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b'\t', text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<Scalar<'_>, &'static str> {
        Line::parse(line.as_bytes()).map(|line| line.value)
    }

    #[test]
    fn every_type_is_read() {
        assert_eq!(
            Line::parse(b"7\tname\ts\tAda Lovelace"),
            Ok(Line {
                entity: "7",
                attribute: "name",
                value: Scalar::Text("Ada Lovelace")
            })
        );
        assert_eq!(value("7\tage\ti\t-36"), Ok(Scalar::Integer(-36)));
        assert_eq!(
            value("7\tborn\tt\t-4858444800000"),
            Ok(Scalar::Time(-4_858_444_800_000))
        );
        assert_eq!(value("7\talive\tb\tfalse"), Ok(Scalar::Boolean(false)));
        assert_eq!(value("7\tknows\tr\t8"), Ok(Scalar::Ref("8")));
        assert_eq!(
            value("7\tnote\ts\ttabs\tstay"),
            Ok(Scalar::Text("tabs\tstay"))
        );
        assert_eq!(value("7\tnote\ts\t"), Ok(Scalar::Text("")));
        assert_eq!(value("7\tage\ti\t1\r"), Ok(Scalar::Integer(1)));
    }

    #[test]
    fn attribute_names_are_those_of_tuples() {
        for name in [
            "a",
            "a/b",
            "é",
            "a b",
            "a\u{a0}b",
            "",
            "a\u{7f}",
            &"x".repeat(255),
            &"x".repeat(256),
        ] {
            assert_eq!(
                is_name(name),
                rhizome_tuple::Attribute::new(name).is_ok(),
                "{name:?}"
            );
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "7",
            "7\tname",
            "7\tname\ts",
            "\tname\ts\tx",
            "7\tage\ti\t1.5",
            "7\tage\ti\t9223372036854775808",
            "7\ta\tb\tyes",
            "7\ta\tx\t1",
            "7\ta\tr\t",
            "7\ta\tss\tx",
        ] {
            assert!(value(line).is_err(), "{line:?}");
        }
        assert!(Line::parse(b"7\tname\ts\t\xff").is_err());
    }
}
