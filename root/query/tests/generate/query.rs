//! Whole random queries.

use super::Random;
use super::body::{Body, Variable};
use super::data::{Cell, Type, cell};
use super::rules::rules;

/// A query with what it is given. Entities in the texts are written `@3`.
#[derive(Clone, Debug)]
pub struct Case {
    pub text: String,
    pub rules: Option<String>,
    pub inputs: Vec<Given>,
}

/// An argument for `:in`.
#[derive(Clone, Debug)]
pub enum Given {
    Value(Cell),
    Tuple(Vec<Cell>),
    Collection(Vec<Cell>),
    Relation(Vec<Vec<Cell>>),
}

impl Case {
    /// `portable`: only what DataScript 1.8 does too.
    pub fn random(random: &mut Random, entities: usize, portable: bool) -> Self {
        let (signatures, rule_text) = if random.chance(35) {
            rules(random, entities, portable)
        } else {
            (Vec::new(), String::new())
        };
        let mut next = 0;
        let clauses = random.below(5);
        let with_inputs = random.chance(30);
        let mut body = Body::new(random, entities, &signatures, &mut next, 0, portable);
        let (mut in_text, mut inputs) = (String::new(), Vec::new());
        if with_inputs {
            (in_text, inputs) = given(&mut body);
        }
        // something to start from
        body.pattern();
        for _ in 0..clauses {
            body.clause();
        }
        if !signatures.is_empty() && !body.text().contains("(r") {
            let rules = body.rules;
            body.rules = &rules[..1];
            body.call();
            body.rules = rules;
        }
        if body.variables.is_empty() {
            body.binding.push("[?e0 \"e/link\" ?e00]".into());
            body.variables.push(Variable {
                name: "?e0".into(),
                of: Type::Entity,
            });
        }
        let (find, with) = find(&mut body, portable);
        let percent = if signatures.is_empty() { "" } else { " %" };
        let order = if portable {
            String::new()
        } else {
            order(&mut body, &find)
        };
        let text = format!(
            "[:find {find}{with} :in ${percent}{in_text} :where {}{order}]",
            body.text()
        );
        let rules = (!signatures.is_empty()).then_some(rule_text);
        Self {
            text,
            rules,
            inputs,
        }
    }
}

/// `:order`, `:limit` and `:offset`, which DataScript does not have.
fn order(body: &mut Body<'_>, find: &str) -> String {
    let random = &mut *body.random;
    if find.starts_with('[') || random.chance(60) {
        return String::new();
    }
    let columns = find.matches('?').count();
    let keys: Vec<String> = (0..1 + random.below(2))
        .map(|_| {
            format!(
                "[{} {}]",
                random.below(columns),
                random.pick(&[":asc", ":desc"])
            )
        })
        .collect();
    let mut out = format!(" :order [{}]", keys.join(" "));
    if random.chance(70) {
        out.push_str(&format!(" :limit {}", random.below(6)));
    }
    if random.chance(20) {
        out.push_str(&format!(" :offset {}", random.below(4)));
    }
    out
}

fn variable(body: &mut Body<'_>, of: Type) -> String {
    *body.next += 1;
    let name = format!("?i{}", body.next);
    body.variables.push(Variable {
        name: name.clone(),
        of,
    });
    name
}

fn given(body: &mut Body<'_>) -> (String, Vec<Given>) {
    let (mut text, mut inputs) = (String::new(), Vec::new());
    for _ in 0..1 + body.random.below(2) {
        let of =
            |body: &mut Body<'_>| *body.random.pick(&[Type::Entity, Type::Integer, Type::Text]);
        let (a, b) = (of(body), of(body));
        let pair = |body: &mut Body<'_>| {
            vec![
                cell(body.random, a, body.entities),
                cell(body.random, b, body.entities),
            ]
        };
        match body.random.below(4) {
            0 => {
                inputs.push(Given::Value(cell(body.random, a, body.entities)));
                text.push_str(&format!(" {}", variable(body, a)));
            }
            1 => {
                inputs.push(Given::Tuple(pair(body)));
                text.push_str(&format!(" [{} {}]", variable(body, a), variable(body, b)));
            }
            2 => {
                let n = 1 + body.random.below(3);
                inputs.push(Given::Collection(
                    (0..n)
                        .map(|_| cell(body.random, a, body.entities))
                        .collect(),
                ));
                text.push_str(&format!(" [{} ...]", variable(body, a)));
            }
            _ => {
                let n = 1 + body.random.below(3);
                inputs.push(Given::Relation((0..n).map(|_| pair(body)).collect()));
                text.push_str(&format!(" [[{} {}]]", variable(body, a), variable(body, b)));
            }
        }
    }
    (text, inputs)
}

fn find(body: &mut Body<'_>, portable: bool) -> (String, String) {
    let variables = body.variables.clone();
    let random = &mut *body.random;
    let plain = |random: &mut Random| random.pick(&variables).name.clone();
    let integers: Vec<&Variable> = variables.iter().filter(|v| v.of == Type::Integer).collect();
    if random.chance(25) {
        let mut columns = Vec::new();
        if random.chance(60) {
            columns.push(plain(random));
        }
        for _ in 0..1 + random.below(2) {
            let column = if integers.is_empty() || random.chance(40) {
                format!(
                    "({} {})",
                    random.pick(&["count", "count-distinct", "count"]),
                    plain(random)
                )
            } else {
                let v = &random.pick(&integers).name;
                match random.below(7) {
                    0 => format!("(sum {v})"),
                    1 => format!("(min {v})"),
                    2 => format!("(max {v})"),
                    3 => format!("(avg {v})"),
                    4 => format!("(median {v})"),
                    5 => format!("(min {} {v})", 1 + random.below(3)),
                    _ => format!("(max {} {v})", 1 + random.below(3)),
                }
            };
            columns.push(column);
        }
        let with = plain(random);
        let taken = portable
            && columns
                .iter()
                .any(|c| c.trim_end_matches(')').ends_with(&with));
        let with = if random.chance(40) && !taken {
            format!(" :with {with}")
        } else {
            String::new()
        };
        return (columns.join(" "), with);
    }
    if random.chance(10) {
        return (format!("[{} ...]", plain(random)), String::new());
    }
    let n = 1 + random.below(3);
    (
        (0..n).map(|_| plain(random)).collect::<Vec<_>>().join(" "),
        String::new(),
    )
}
