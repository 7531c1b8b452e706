//! What a grant is about: the entities that match a predicate, as people write it.
//!
//! ```text
//! is-photo: true && photo-album: "garibaldi camping trip"
//! kind: photo && (album: garibaldi || year >= 2025)
//! ```
//!
//! A predicate is positive: `&&`, `||`, parentheses, an attribute and what its value is. An attribute with several values matches if one of them does. There is no "not" and no
//! second entity: whether an entity matches is decided by its own values, so a change is classified by looking at one entity.

use std::{fmt, str::FromStr};

use rhizome_capability::{Ipld, Policy, PolicyError};
use rhizome_tuple::{Attribute, EntityId, Value};

/// Longest text of a predicate in bytes.
pub const MAX_PREDICATE: usize = 4096;
/// Most conditions in one.
pub const MAX_CONDITIONS: usize = 64;
/// How deep parentheses may be.
const MAX_DEPTH: usize = 16;
/// Integers beyond are not the same everywhere.
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Why a text is no predicate. Places count bytes from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {at}: {what}")]
pub struct PredicateError {
    /// Where.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constant {
    /// `true`, `false`.
    Boolean(bool),
    /// Of at most 53 bits.
    Integer(i64),
    /// `"in quotes"`, or a word.
    Text(String),
    /// `rz:…`
    Ref(EntityId),
}

/// How.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// `attribute: constant`
    Is(Constant),
    /// `attribute <= integer`; `<` is written as that.
    AtMost(i64),
    /// `attribute >= integer`; `>` is written as that.
    AtLeast(i64),
}

/// Which entities. Equal ones have one form: what stands below an `All` or `Any` is sorted, there once, and of the other kind or a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// One value of the attribute passes.
    Has(Attribute, Test),
    /// All of at least two.
    All(Vec<Predicate>),
    /// One of at least two.
    Any(Vec<Predicate>),
}

impl Constant {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Boolean(a), Value::Boolean(b)) => a == b,
            (Self::Integer(a), Value::Integer(b)) => a == b,
            (Self::Text(a), Value::Text(b)) => a == b,
            (Self::Ref(a), Value::Ref(b)) => a == b,
            _ => false,
        }
    }

    fn to_ipld(&self) -> Ipld {
        match self {
            Self::Boolean(b) => Ipld::Bool(*b),
            Self::Integer(n) => Ipld::Integer((*n).into()),
            Self::Text(text) => Ipld::String(text.clone()),
            Self::Ref(id) => {
                let text = Ipld::String(id.to_string());
                Ipld::Map([("ref".to_owned(), text)].into())
            }
        }
    }
}

impl Test {
    /// Whether a value passes.
    pub fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Is(constant), value) => constant.is(value),
            (Self::AtMost(most), Value::Integer(n)) => n <= most,
            (Self::AtLeast(least), Value::Integer(n)) => n >= least,
            _ => false,
        }
    }
}

impl Predicate {
    /// Whether an entity with these values matches.
    pub fn holds<'v, I: IntoIterator<Item = &'v Value>>(
        &self,
        values: &impl Fn(&Attribute) -> I,
    ) -> bool {
        match self {
            Self::Has(attribute, test) => values(attribute).into_iter().any(|v| test.holds(v)),
            Self::All(all) => all.iter().all(|p| p.holds(values)),
            Self::Any(any) => any.iter().any(|p| p.holds(values)),
        }
    }

    /// The conditions, each once for every place where it stands: an entity that matches has a value for one of them at least.
    pub fn conditions(&self) -> Vec<(&Attribute, &Test)> {
        match self {
            Self::Has(attribute, test) => vec![(attribute, test)],
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().flat_map(Self::conditions).collect()
            }
        }
    }

    /// As the policy of a delegation, over `{"entity": {attribute: value}}`.
    ///
    /// # Errors
    /// [`PolicyError`], for an attribute whose name no selector can hold.
    pub fn to_policy(&self) -> Result<Policy, PolicyError> {
        match self {
            Self::All(all) => all
                .iter()
                .try_fold(Policy::default(), |policy, p| p.add_to(policy)),
            _ => self.add_to(Policy::default()),
        }
    }

    fn add_to(&self, policy: Policy) -> Result<Policy, PolicyError> {
        match self {
            Self::Has(attribute, test) => {
                let selector = format!(".entity[\"{attribute}\"]");
                match test {
                    Test::Is(constant) => policy.equal(&selector, constant.to_ipld()),
                    Test::AtMost(most) => policy.at_most(&selector, *most),
                    Test::AtLeast(least) => policy.at_least(&selector, *least),
                }
            }
            Self::All(_) => Ok(policy.either([self.to_policy()?])),
            Self::Any(any) => {
                let any = any.iter().map(Self::to_policy);
                Ok(policy.either(any.collect::<Result<Vec<_>, _>>()?))
            }
        }
    }

    /// What both hold of.
    ///
    /// # Errors
    /// [`PredicateError`] if both together are too much for one predicate.
    pub fn and(&self, other: &Self) -> Result<Self, PredicateError> {
        format!("({self}) && ({other})").parse()
    }

    /// All of these, or any of them.
    fn join(parts: Vec<Self>, all: bool) -> Option<Self> {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match (part, all) {
                (Self::All(inner), true) | (Self::Any(inner), false) => flat.extend(inner),
                (part, _) => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        match (flat.len(), all) {
            (0 | 1, _) => flat.pop(),
            (_, true) => Some(Self::All(flat)),
            (_, false) => Some(Self::Any(flat)),
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(b) => write!(f, "{b}"),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '"' | '\\' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("\"")
            }
            Self::Ref(id) => write!(f, "{id}"),
        }
    }
}

impl fmt::Display for Predicate {
    /// One text for equal predicates, which reads as the same one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, between) = match self {
            Self::Has(attribute, Test::Is(constant)) => {
                return write!(f, "{attribute}: {constant}");
            }
            Self::Has(attribute, Test::AtMost(n)) => return write!(f, "{attribute} <= {n}"),
            Self::Has(attribute, Test::AtLeast(n)) => return write!(f, "{attribute} >= {n}"),
            Self::All(parts) => (parts, " && "),
            Self::Any(parts) => (parts, " || "),
        };
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(between)?;
            }
            match part {
                Self::Has(..) => write!(f, "{part}")?,
                _ => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, PredicateError> {
        let mut parser = Parser {
            text,
            at: 0,
            conditions: 0,
        };
        if text.len() > MAX_PREDICATE {
            return Err(parser.wrong("a predicate has at most 4,096 bytes"));
        }
        let predicate = parser.any(0)?;
        match parser.rest().chars().next() {
            None => Ok(predicate),
            Some(_) => Err(parser.wrong("expected `&&`, `||` or the end")),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    conditions: usize,
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.')
}

impl<'t> Parser<'t> {
    fn wrong(&self, what: impl Into<String>) -> PredicateError {
        PredicateError {
            at: self.at,
            what: what.into(),
        }
    }

    /// What follows, after white space.
    fn rest(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn eat(&mut self, what: &str) -> bool {
        let there = self.rest().starts_with(what);
        if there {
            self.at += what.len();
        }
        there
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn any(&mut self, depth: usize) -> Result<Predicate, PredicateError> {
        let mut parts = vec![self.all(depth)?];
        while self.eat("||") {
            parts.push(self.all(depth)?);
        }
        Predicate::join(parts, false).ok_or_else(|| self.wrong("expected an attribute"))
    }

    fn all(&mut self, depth: usize) -> Result<Predicate, PredicateError> {
        let mut parts = vec![self.one(depth)?];
        while self.eat("&&") {
            parts.push(self.one(depth)?);
        }
        Predicate::join(parts, true).ok_or_else(|| self.wrong("expected an attribute"))
    }

    fn one(&mut self, depth: usize) -> Result<Predicate, PredicateError> {
        if self.eat("(") {
            if depth == MAX_DEPTH {
                return Err(self.wrong("these parentheses are too deep"));
            }
            let inner = self.any(depth + 1)?;
            if !self.eat(")") {
                return Err(self.wrong("expected `)`, `&&` or `||`"));
            }
            return Ok(inner);
        }
        if self.rest().starts_with('!') {
            return Err(self.wrong("there is no `!`: say what an entity is, not what it is not"));
        }
        let start = self.at;
        let name = self.word();
        let attribute = Attribute::new(name).map_err(|_| PredicateError {
            at: start,
            what: "expected an attribute, such as is-photo".into(),
        })?;
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(self.wrong("a predicate has at most 64 conditions"));
        }
        let test = if self.eat(":") {
            Test::Is(self.constant()?)
        } else if self.eat("<=") {
            Test::AtMost(self.integer()?)
        } else if self.eat(">=") {
            Test::AtLeast(self.integer()?)
        } else if self.eat("<") {
            Test::AtMost(self.integer()? - 1)
        } else if self.eat(">") {
            Test::AtLeast(self.integer()? + 1)
        } else {
            return Err(self.wrong("expected `:`, `<`, `<=`, `>` or `>=` after the attribute"));
        };
        Ok(Predicate::Has(attribute, test))
    }

    fn integer(&mut self) -> Result<i64, PredicateError> {
        self.rest();
        let start = self.at;
        let minus = self.eat("-");
        let word = self.word();
        let number = word.parse::<i64>().ok();
        // one less, so that what `<` and `>` mean is in bounds
        let number = number.filter(|n| *n < MAX_INTEGER && !word.starts_with('-'));
        let number = number.ok_or_else(|| PredicateError {
            at: start,
            what: "expected an integer of at most 53 bits".into(),
        })?;
        Ok(if minus { -number } else { number })
    }

    fn constant(&mut self) -> Result<Constant, PredicateError> {
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.quoted().map(Constant::Text);
        }
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return self.integer().map(Constant::Integer);
        }
        let start = self.at;
        let word = self.word();
        if word == "rz" && self.eat(":") {
            let id = format!("rz:{}", self.word());
            return id.parse().map(Constant::Ref).map_err(|_| PredicateError {
                at: start,
                what: "this is the name of no entity".into(),
            });
        }
        match word {
            "" => Err(self.wrong("expected true, false, an integer, \"text\", a word or rz:…")),
            "true" => Ok(Constant::Boolean(true)),
            "false" => Ok(Constant::Boolean(false)),
            word => Ok(Constant::Text(word.to_owned())),
        }
    }

    fn quoted(&mut self) -> Result<String, PredicateError> {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut out = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    _ => {
                        self.at = start + i;
                        return Err(self.wrong("expected \\\", \\\\, \\n or \\t"));
                    }
                },
                c => out.push(c),
            }
        }
        Err(self.wrong("this text has no end: a quote is missing"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Predicate {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn reads_what_people_write_and_writes_it_one_way() {
        for (text, written) in [
            ("is-photo: true", "is-photo: true"),
            (
                r#"photo-album: "garibaldi" && is-photo:true"#,
                r#"is-photo: true && photo-album: "garibaldi""#,
            ),
            (
                "album: garibaldi-camping-trip",
                r#"album: "garibaldi-camping-trip""#,
            ),
            ("a: 1 || a: 1", "a: 1"),
            ("((a: 1) && (b: 2 && c: 3))", "a: 1 && b: 2 && c: 3"),
            ("a: 1 || b: 2 && c: 3", "a: 1 || (b: 2 && c: 3)"),
            ("(a: 1 || b: 2) && c: 3", "c: 3 && (a: 1 || b: 2)"),
            ("year > 2024 && year < 2026", "year <= 2025 && year >= 2025"),
            ("n: -3", "n: -3"),
            (r#"t: "a \"b\" \\ \n""#, r#"t: "a \"b\" \\ \n""#),
        ] {
            assert_eq!(parsed(text).to_string(), written);
            assert_eq!(parsed(written), parsed(text));
        }
        let id = EntityId::derive("did:x", b"n");
        let by = parsed(&format!("by: {id}"));
        assert!(matches!(&by, Predicate::Has(_, Test::Is(Constant::Ref(r))) if *r == id));
    }

    #[test]
    fn says_where_a_text_is_wrong() {
        for (text, at, what) in [
            ("", 0, "expected an attribute"),
            ("a", 1, "after the attribute"),
            ("a:", 2, "expected true"),
            ("a: 1 &&", 7, "expected an attribute"),
            ("a: 1 b: 2", 5, "or the end"),
            ("(a: 1", 5, "expected `)`"),
            ("!a: 1", 0, "there is no `!`"),
            ("a: \"x", 3, "no end"),
            ("a: \"\\x\"", 4, "expected \\\""),
            ("a: 9007199254740992", 3, "53 bits"),
            ("a < --1", 4, "53 bits"),
            ("a: rz:nobody", 3, "no entity"),
        ] {
            let error = text.parse::<Predicate>().unwrap_err();
            assert!(error.what.contains(what), "{text}: {error}");
            assert_eq!(error.at, at, "{text}: {error}");
        }
        let many = vec!["a: 1"; 65].join(" && ");
        assert!(many.parse::<Predicate>().is_err());
        let deep = format!("{}a: 1{}", "(".repeat(17), ")".repeat(17));
        assert!(deep.parse::<Predicate>().is_err());
        assert!("(".repeat(4096).parse::<Predicate>().is_err());
        assert!(
            format!("a: {}", "x".repeat(4096))
                .parse::<Predicate>()
                .is_err()
        );
    }

    #[test]
    fn one_of_several_values_is_enough_and_none_is_not() {
        let tags = [Value::Text("blue".into()), Value::Text("green".into())];
        let values = |a: &Attribute| {
            let these: &[Value] = if a.as_str() == "tag" { &tags } else { &[] };
            these.iter()
        };
        assert!(parsed("tag: green && tag: blue").holds(&values));
        assert!(!parsed("tag: red").holds(&values));
        assert!(!parsed("other: 1 && tag: blue").holds(&values));
    }

    fn condition() -> impl Strategy<Value = Predicate> {
        let constant = prop_oneof![
            any::<bool>().prop_map(Constant::Boolean),
            (-5i64..5).prop_map(Constant::Integer),
            "[a-c\"\\\\\n ]{0,3}".prop_map(Constant::Text),
        ];
        let test = prop_oneof![
            constant.prop_map(Test::Is),
            (-5i64..5).prop_map(Test::AtMost),
            (-5i64..5).prop_map(Test::AtLeast),
        ];
        ("[a-c]", test).prop_map(|(a, t)| Predicate::Has(Attribute::new(&a).unwrap(), t))
    }

    fn predicate() -> impl Strategy<Value = Predicate> {
        condition().prop_recursive(4, 24, 4, |inner| {
            (prop::collection::vec(inner, 1..4), any::<bool>())
                .prop_map(|(parts, all)| Predicate::join(parts, all).unwrap())
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Boolean),
            (-6i64..6).prop_map(Value::Integer),
            "[a-c]{0,2}".prop_map(Value::Text),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn written_and_read_again_it_is_the_same(predicate in predicate()) {
            prop_assert_eq!(parsed(&predicate.to_string()), predicate);
        }

        /// A predicate and the policy made of it agree about every entity with one value an attribute.
        #[test]
        fn the_policy_says_the_same(
            predicate in predicate(),
            entity in prop::collection::btree_map("[a-c]", value(), 0..4),
        ) {
            let held = predicate.holds(&|a: &Attribute| entity.get(a.as_str()));
            let policy = predicate.to_policy().unwrap();
            policy.check_portable().unwrap();
            let ipld = |v: &Value| match v {
                Value::Boolean(b) => Ipld::Bool(*b),
                Value::Integer(n) => Ipld::Integer((*n).into()),
                Value::Text(t) => Ipld::String(t.clone()),
                _ => Ipld::Null,
            };
            let entity: BTreeMap<String, Ipld> = entity.iter().map(|(a, v)| (a.clone(), ipld(v))).collect();
            let data = Ipld::Map([("entity".to_owned(), Ipld::Map(entity))].into());
            prop_assert_eq!(policy.matches(&data), held);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:&|()<>=!\"\\\\0-9 -]{0,40}") {
            if let Ok(predicate) = text.parse::<Predicate>() {
                prop_assert_eq!(parsed(&predicate.to_string()), predicate);
            }
        }
    }
}
