//! Rule sets: known shapes of recursion over random attributes, and random bodies.

use super::Random;
use super::body::{Body, Variable};
use super::data::Type;

/// A rule as callers see it.
#[derive(Clone, Debug)]
pub struct Signature {
    pub name: String,
    pub arguments: Vec<Type>,
}

/// Some rules and their text.
pub fn rules(random: &mut Random, entities: usize, portable: bool) -> (Vec<Signature>, String) {
    let mut all = Vec::new();
    let mut text = String::new();
    for i in 0..1 + random.below(2) {
        let (a, b) = (
            *random.pick(&["e/link", "e/parent", "e/knows"]),
            *random.pick(&["e/link", "e/parent", "e/knows"]),
        );
        let pair = vec![Type::Entity, Type::Entity];
        let mut add = |name: String, arguments: Vec<Type>| all.push(Signature { name, arguments });
        let r = format!("r{i}");
        let new = match random.below(13) {
            0 => {
                add(r.clone(), pair);
                format!("[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) [?x {a:?} ?z] ({r} ?z ?y)]")
            }
            1 => {
                add(r.clone(), pair);
                format!("[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) ({r} ?x ?z) [?z {a:?} ?y]]")
            }
            2 => {
                add(r.clone(), pair);
                format!("[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?z) ({r} ?x ?y) ({r} ?y ?z)]")
            }
            3 => {
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) [?y {b:?} ?x]] [({r} ?x ?y) [?z {a:?} ?x] ({r} ?z ?y)]"
                )
            }
            4 => {
                // mutual recursion: paths of even and odd length
                add(format!("{r}e"), pair.clone());
                add(format!("{r}o"), pair);
                format!(
                    "[({r}o ?x ?y) [?x {a:?} ?y]] [({r}o ?x ?y) [?x {a:?} ?z] ({r}e ?z ?y)] [({r}e ?x ?y) [?x {a:?} ?z] ({r}o ?z ?y)]"
                )
            }
            5 => {
                // same generation: not linear in one argument
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?p] [?y {a:?} ?p]] [({r} ?x ?y) [?x {a:?} ?p] ({r} ?p ?q) [?y {a:?} ?q]]"
                )
            }
            6 => {
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) [?x {a:?} ?z] ({r} ?z ?y) [?z {b:?} _]]"
                )
            }
            7 => {
                // recursion in both directions
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) [?x {a:?} ?z] ({r} ?z ?y)] [({r} ?x ?y) ({r} ?x ?z) [?z {b:?} ?y]]"
                )
            }
            8 => {
                // a third argument that is carried along
                add(r.clone(), vec![Type::Entity, Type::Entity, Type::Text]);
                format!(
                    "[({r} ?x ?y ?k) [?x {a:?} ?y] [?x \"s/tag\" ?k]] [({r} ?x ?y ?k) [?x {a:?} ?z] ({r} ?z ?y ?k)]"
                )
            }
            9 => {
                // negation of a lower rule
                add(format!("{r}n"), pair.clone());
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) [?x {a:?} ?z] ({r} ?z ?y)] [({r}n ?x ?y) [?x {b:?} ?y] (not ({r} ?y ?x))]"
                )
            }
            10 => {
                add(r.clone(), vec![Type::Entity]);
                format!(
                    "[({r} ?x) [?x \"n/age\" ?n] [(> ?n 1002)]] [({r} ?x) [?y {a:?} ?x] ({r} ?y)]"
                )
            }
            11 => {
                add(r.clone(), pair);
                format!(
                    "[({r} ?x ?y) [?x {a:?} ?y]] [({r} ?x ?y) (or [?x {a:?} ?z] [?z {b:?} ?x]) ({r} ?z ?y)]"
                )
            }
            _ => {
                add(r.clone(), pair);
                let mut next = 100 * (i + 1);
                let mut branches = String::new();
                for _ in 0..1 + random.below(2) {
                    let mut body = Body::new(random, entities, &[], &mut next, 1, portable);
                    body.variables = vec![
                        Variable {
                            name: "?x".into(),
                            of: Type::Entity,
                        },
                        Variable {
                            name: "?y".into(),
                            of: Type::Entity,
                        },
                    ];
                    body.binding.push(format!("[?x {a:?} ?y]"));
                    body.clause();
                    body.clause();
                    branches.push_str(&format!("[({r} ?x ?y) {}] ", body.text()));
                }
                branches
            }
        };
        text.push_str(&new);
        text.push(' ');
    }
    (all, format!("[{text}]"))
}
