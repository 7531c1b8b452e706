//! JSON to a nested query; every mistake names its path.

use rhizome_tuple::{EntityId, Value};
use serde_json::{Map, Value as Json};

use super::ast::{Condition, Node, Order, Query, Test};
use crate::error::QueryError;
use crate::ir::Compare;
use crate::json;
use crate::limits::Limits;

impl Query {
    /// Reads a query from JSON text.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, QueryError> {
        if text.len() > limits.text_bytes {
            return Err(Limits::exceeded("text_bytes", limits.text_bytes, None));
        }
        let json: Json = serde_json::from_str(text).map_err(|e| QueryError::Syntax {
            at: crate::Position {
                line: e.line() as u32,
                column: e.column() as u32,
            },
            expected: "JSON".into(),
            found: e.to_string(),
        })?;
        Self::from_json(&json, limits)
    }

    /// Reads a query from JSON.
    pub fn from_json(json: &Json, limits: &Limits) -> Result<Self, QueryError> {
        let mut parser = Parser {
            limits,
            clauses: 0,
            path: Vec::new(),
        };
        let top = parser.object(json)?;
        let mut nodes = Vec::with_capacity(top.len());
        for (key, inner) in top {
            nodes.push(parser.at(key, |p| p.node(key, inner))?);
        }
        if nodes.is_empty() {
            return Err(parser.wrong("at least one namespace, such as {\"post\": {}}", json));
        }
        Ok(Self { nodes })
    }
}

/// What may stand under `$`.
const OPTIONS: [&str; 7] = [
    "where", "order", "limit", "first", "offset", "after", "fields",
];

struct Parser<'a> {
    limits: &'a Limits,
    clauses: usize,
    path: Vec<String>,
}

impl Parser<'_> {
    fn wrong(&self, expected: &str, found: &Json) -> QueryError {
        let path = if self.path.is_empty() {
            "the query".to_owned()
        } else {
            self.path.join(".")
        };
        QueryError::Shape {
            path,
            expected: expected.to_owned(),
            found: json::describe(found),
        }
    }

    /// Runs a part of the parse one level deeper.
    fn at<T>(
        &mut self,
        key: &str,
        f: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.path.len() >= self.limits.nesting {
            return Err(Limits::exceeded("nesting", self.limits.nesting, None));
        }
        self.path.push(key.to_owned());
        let result = f(self);
        self.path.pop();
        result
    }

    fn count(&mut self) -> Result<(), QueryError> {
        self.clauses += 1;
        if self.clauses > self.limits.clauses {
            return Err(Limits::exceeded("clauses", self.limits.clauses, None));
        }
        Ok(())
    }

    fn object<'j>(&self, json: &'j Json) -> Result<&'j Map<String, Json>, QueryError> {
        json.as_object()
            .ok_or_else(|| self.wrong("an object", json))
    }

    fn node(&mut self, key: &str, json: &Json) -> Result<Node, QueryError> {
        self.count()?;
        // `$users` may be a namespace; `$where` is an option in the wrong place
        if key.is_empty()
            || key
                .strip_prefix('$')
                .is_some_and(|s| s.is_empty() || OPTIONS.contains(&s))
        {
            return Err(self.wrong("a namespace or a link as key", &Json::from(key)));
        }
        let mut node = Node {
            key: key.to_owned(),
            ..Node::default()
        };
        for (key, inner) in self.object(json)? {
            if key == "$" {
                self.at("$", |p| p.options(&mut node, inner))?;
            } else {
                let link = self.at(key, |p| p.node(key, inner))?;
                node.links.push(link);
            }
        }
        Ok(node)
    }

    fn options(&mut self, node: &mut Node, json: &Json) -> Result<(), QueryError> {
        for (key, inner) in self.object(json)? {
            self.at(key, |p| {
                match key.as_str() {
                    "where" => node.condition = p.conditions(inner)?,
                    "order" => node.order = p.order(inner)?,
                    "limit" | "first" => node.limit = Some(p.number(inner)?),
                    "offset" => node.offset = p.number(inner)?,
                    "after" => node.after = Some(p.id(inner)?),
                    "fields" => {
                        let wrong = || p.wrong("an array of field names", inner);
                        let all = inner.as_array().ok_or_else(wrong)?;
                        let names = all
                            .iter()
                            .map(|f| f.as_str().map(str::to_owned))
                            .collect::<Option<Vec<_>>>();
                        node.fields = Some(names.ok_or_else(wrong)?);
                    }
                    _ => {
                        let options = format!("one of {}", OPTIONS.join(", "));
                        return Err(p.wrong(&options, &Json::from(key.as_str())));
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn number(&self, json: &Json) -> Result<usize, QueryError> {
        let n = json.as_u64().and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| self.wrong("a number, 0 or more", json))
    }

    fn id(&self, json: &Json) -> Result<EntityId, QueryError> {
        let id = json.as_str().and_then(|s| s.parse().ok());
        id.ok_or_else(|| {
            self.wrong(
                "the id of an entity (rz:…), the last one of the page before",
                json,
            )
        })
    }

    /// `{"created": "desc"}`, `[{"created": "desc"}, {"text": "asc"}]`.
    fn order(&self, json: &Json) -> Result<Vec<Order>, QueryError> {
        let wrong = || {
            self.wrong(
                "{\"field\": \"asc\" or \"desc\"}, or an array of such",
                json,
            )
        };
        let objects: Vec<&Json> = match json {
            Json::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        let mut out = Vec::new();
        for object in objects {
            for (field, direction) in object.as_object().ok_or_else(wrong)? {
                let descending = match direction.as_str() {
                    Some("asc") => false,
                    Some("desc") => true,
                    _ => return Err(wrong()),
                };
                out.push(Order {
                    field: field.clone(),
                    descending,
                });
            }
        }
        Ok(out)
    }

    fn conditions(&mut self, json: &Json) -> Result<Vec<Condition>, QueryError> {
        let mut out = Vec::new();
        for (key, inner) in self.object(json)? {
            self.count()?;
            out.push(self.at(key, |p| p.condition(key, inner))?);
        }
        Ok(out)
    }

    fn condition(&mut self, key: &str, json: &Json) -> Result<Condition, QueryError> {
        Ok(match key {
            "and" | "$and" => Condition::All(self.list(json)?),
            "or" | "$or" => Condition::Any(self.list(json)?),
            "not" | "$not" => Condition::Not(self.conditions(json)?),
            _ if key.starts_with('$') => {
                return Err(self.wrong("a field, and, or, not", &Json::from(key)));
            }
            _ => {
                let path: Vec<String> = key.split('.').map(str::to_owned).collect();
                if path.iter().any(String::is_empty) {
                    return Err(self.wrong("names between the dots", &Json::from(key)));
                }
                Condition::Field {
                    path,
                    tests: self.tests(json)?,
                }
            }
        })
    }

    fn list(&mut self, json: &Json) -> Result<Vec<Condition>, QueryError> {
        let all = json
            .as_array()
            .ok_or_else(|| self.wrong("an array of conditions", json))?;
        let mut out = Vec::with_capacity(all.len());
        for (i, one) in all.iter().enumerate() {
            self.count()?;
            out.push(self.at(&i.to_string(), |p| p.conditions(one).map(Condition::All))?);
        }
        Ok(out)
    }

    fn tests(&mut self, json: &Json) -> Result<Vec<Test>, QueryError> {
        match json {
            Json::Object(map) if map.keys().any(|k| k.starts_with('$')) => {
                let mut out = Vec::with_capacity(map.len());
                for (op, inner) in map {
                    self.count()?;
                    let test = self.at(op, |p| p.test(op, inner))?;
                    out.push(test);
                }
                Ok(out)
            }
            Json::Null => Ok(vec![Test::None(vec![Test::Present])]),
            other => Ok(vec![Test::Among(self.meanings(other)?)]),
        }
    }

    fn test(&mut self, op: &str, json: &Json) -> Result<Test, QueryError> {
        let compare = |p: &Self, c: Compare| {
            let value = json::value(json).ok_or_else(|| p.wrong("a value", json))?;
            Ok::<_, QueryError>(Test::Compare(c, value))
        };
        let text = |p: &Self, c: Compare| match json {
            Json::String(s) => Ok(Test::Compare(c, Value::Text(s.clone()))),
            other => Err(p.wrong("text", other)),
        };
        Ok(match op {
            "$eq" => Test::Among(self.meanings(json)?),
            "$gt" => compare(self, Compare::Greater)?,
            "$gte" => compare(self, Compare::GreaterOrEqual)?,
            "$lt" => compare(self, Compare::Less)?,
            "$lte" => compare(self, Compare::LessOrEqual)?,
            "$like" => text(self, Compare::Like)?,
            "$ilike" => text(self, Compare::LikeIgnoringCase)?,
            "$search" => match json {
                Json::String(words) => Test::Search(words.clone()),
                other => return Err(self.wrong("words to look for", other)),
            },
            "$in" => Test::Among(self.many(json)?),
            "$nin" => Test::None(vec![Test::Among(self.many(json)?)]),
            "$ne" | "$not" => Test::None(self.tests(json)?),
            "$isNull" => match json {
                Json::Bool(true) => Test::None(vec![Test::Present]),
                Json::Bool(false) => Test::Present,
                other => return Err(self.wrong("true or false", other)),
            },
            _ => {
                let known =
                    "one of $eq $ne $not $gt $gte $lt $lte $in $nin $isNull $like $ilike $search";
                return Err(self.wrong(known, &Json::from(op)));
            }
        })
    }

    fn many(&self, json: &Json) -> Result<Vec<Value>, QueryError> {
        let all = json
            .as_array()
            .ok_or_else(|| self.wrong("an array of values", json))?;
        let meanings = all
            .iter()
            .map(|j| self.meanings(j))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(meanings.concat())
    }

    /// All values that a piece of JSON may stand for, the one as written last.
    fn meanings(&self, json: &Json) -> Result<Vec<Value>, QueryError> {
        let value = json::value(json)
            .ok_or_else(|| self.wrong("a value: true, 5, \"text\", {\"time\": …}, …", json))?;
        Ok(match (json, value) {
            (Json::Number(_), Value::Integer(i)) => {
                // only where the float is the same number
                let float = (i as f64 as i128 == i128::from(i)).then_some(Value::Float(i as f64));
                float
                    .into_iter()
                    .chain([Value::Time(i), Value::Integer(i)])
                    .collect()
            }
            (Json::Number(_), Value::Float(x)) if x.fract() == 0.0 && x.abs() < 9.0e15 => {
                vec![Value::Integer(x as i64), Value::Float(x)]
            }
            (Json::String(s), Value::Ref(e)) => vec![Value::Ref(e), Value::Text(s.clone())],
            (_, other) => vec![other],
        })
    }
}
