//! From a changed fact to the places in queries where it can matter.

use super::given::Given;
use super::solve::Names;
use super::template::{On, Template};
use crate::ir::{AttributeTerm, Term};
use rhizome_replica::{Aid, Fact, Word};
use rustc_hash::FxHashMap;

/// A trigger of a group's template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub group: u32,
    pub trigger: u32,
}

/// Targets by attribute and, where a constant stands in the place of the entity or the value, by that constant.
#[derive(Debug, Default)]
pub struct Dispatch {
    attributes: FxHashMap<Aid, Places>,
    wild: Vec<Target>,
}

#[derive(Debug, Default)]
struct Places {
    any: Vec<Target>,
    entities: FxHashMap<Word, Vec<Target>>,
    values: FxHashMap<Word, Vec<Target>>,
}

/// Where a target is listed.
enum Listing {
    Wild,
    Any(Aid),
    Entity(Aid, u16),
    Value(Aid, u16),
    /// The pod has no such attribute.
    Nowhere,
}

fn listing(names: &Names, on: &On) -> Listing {
    let aid = |a: u16| names.attributes.get(usize::from(a)).copied().flatten();
    let (attribute, entity, value) = match on {
        On::Fact(p) => match p.attribute {
            AttributeTerm::Named(a) => (a, p.entity, p.value),
            AttributeTerm::Slot(_) | AttributeTerm::Blank => return Listing::Wild,
        },
        On::Entity { entity, attribute } => (*attribute, *entity, Term::Blank),
        On::Watched { attribute } => (*attribute, Term::Blank, Term::Blank),
        On::Tuple(_) => return Listing::Nowhere,
    };
    match (aid(attribute), entity, value) {
        (None, ..) => Listing::Nowhere,
        (Some(a), Term::Constant(c), _) => Listing::Entity(a, c),
        (Some(a), _, Term::Constant(c)) => Listing::Value(a, c),
        (Some(a), ..) => Listing::Any(a),
    }
}

impl Dispatch {
    /// Calls `f` with every target that a fact may concern.
    pub fn each(&self, fact: &Fact, mut f: impl FnMut(Target)) {
        for t in &self.wild {
            f(*t);
        }
        let Some(places) = self.attributes.get(&fact.a) else {
            return;
        };
        for t in &places.any {
            f(*t);
        }
        if !places.entities.is_empty()
            && let Some(found) = places.entities.get(&Word::reference(fact.e))
        {
            for t in found {
                f(*t);
            }
        }
        if !places.values.is_empty()
            && let Some(found) = places.values.get(&fact.v)
        {
            for t in found {
                f(*t);
            }
        }
    }

    /// Lists everything of a group.
    pub fn list(&mut self, group: u32, template: &Template, names: &Names, given: &Given) {
        self.every(group, template, names, given, true);
    }

    /// Takes everything of a group off the lists.
    pub fn drop(&mut self, group: u32, template: &Template, names: &Names, given: &Given) {
        self.every(group, template, names, given, false);
    }

    fn every(&mut self, group: u32, template: &Template, names: &Names, given: &Given, add: bool) {
        for (i, trigger) in template.triggers.iter().enumerate() {
            let target = Target {
                group,
                trigger: i as u32,
            };
            let all = |c: u16| -> Vec<Word> {
                if template.lifted.get(usize::from(c)) == Some(&true) {
                    given.words(c)
                } else {
                    let constant = names.constants.get(usize::from(c));
                    constant.map_or(Vec::new(), |r| r.all.to_vec())
                }
            };
            match listing(names, &trigger.on) {
                Listing::Wild => put(&mut self.wild, target, add),
                Listing::Any(a) => put(&mut self.attributes.entry(a).or_default().any, target, add),
                Listing::Entity(a, c) => {
                    let places = self.attributes.entry(a).or_default();
                    put_all(&mut places.entities, &all(c), target, add);
                }
                Listing::Value(a, c) => {
                    let places = self.attributes.entry(a).or_default();
                    put_all(&mut places.values, &all(c), target, add);
                }
                Listing::Nowhere => {}
            }
        }
    }

    /// Follows the words of lifted constants that came into use or went out of it.
    pub fn uses(
        &mut self,
        group: u32,
        template: &Template,
        names: &Names,
        uses: &[(u16, Word)],
        add: bool,
    ) {
        if uses.is_empty() {
            return;
        }
        for (i, trigger) in template.triggers.iter().enumerate() {
            let target = Target {
                group,
                trigger: i as u32,
            };
            let of = |c: u16| -> Vec<Word> {
                let own = uses.iter().filter(|u| u.0 == c);
                own.map(|u| u.1).collect()
            };
            match listing(names, &trigger.on) {
                Listing::Entity(a, c) => {
                    let places = self.attributes.entry(a).or_default();
                    put_all(&mut places.entities, &of(c), target, add);
                }
                Listing::Value(a, c) => {
                    let places = self.attributes.entry(a).or_default();
                    put_all(&mut places.values, &of(c), target, add);
                }
                Listing::Wild | Listing::Any(_) | Listing::Nowhere => {}
            }
        }
    }
}

fn put(list: &mut Vec<Target>, target: Target, add: bool) {
    if add {
        list.push(target);
    } else {
        list.retain(|t| *t != target);
    }
}

fn put_all(map: &mut FxHashMap<Word, Vec<Target>>, words: &[Word], target: Target, add: bool) {
    for w in words {
        let list = map.entry(*w).or_default();
        put(list, target, add);
        if list.is_empty() {
            map.remove(w);
        }
    }
}
