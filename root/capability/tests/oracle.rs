//! Naive oracles, written from the specification: policies over plain trees, chains by saying what a valid one is.

use std::collections::BTreeMap;

use rhizome_capability::Ipld;

/// A statement as a tree.
#[derive(Debug, Clone)]
pub enum Tree {
    Compare(&'static str, Path, Ipld),
    Like(Path, String),
    Connect(&'static str, Vec<Tree>),
    Not(Box<Tree>),
    Quantify(&'static str, Path, Box<Tree>),
}

pub type Path = Vec<(Step, bool)>;

#[derive(Debug, Clone)]
pub enum Step {
    Name(String),
    Quoted(String),
    Values,
    Index(i64),
    Slice(Option<i64>, Option<i64>),
}

/// The text of a selector.
pub fn text(path: &Path) -> String {
    let mut text = String::new();
    let end = |index: &Option<i64>| index.map_or(String::new(), |index| index.to_string());
    for (step, optional) in path {
        let step = match step {
            Step::Name(name) => format!(".{name}"),
            Step::Quoted(name) => format!("[{}]", serde_json::to_string(name).unwrap()),
            Step::Values => "[]".to_owned(),
            Step::Index(index) => format!("[{index}]"),
            Step::Slice(from, to) => format!("[{}:{}]", end(from), end(to)),
        };
        text = text + &step + if *optional { "?" } else { "" };
    }
    if text.starts_with('.') {
        text
    } else {
        format!(".{text}")
    }
}

pub fn ipld(tree: &Tree) -> Ipld {
    let list = match tree {
        Tree::Compare(operator, path, value) => {
            vec![(*operator).into(), text(path).into(), value.clone()]
        }
        Tree::Like(path, pattern) => vec!["like".into(), text(path).into(), pattern.clone().into()],
        Tree::Connect(operator, trees) => {
            vec![
                (*operator).into(),
                Ipld::List(trees.iter().map(ipld).collect()),
            ]
        }
        Tree::Not(tree) => vec!["not".into(), ipld(tree)],
        Tree::Quantify(operator, path, tree) => {
            vec![(*operator).into(), text(path).into(), ipld(tree)]
        }
    };
    Ipld::List(list)
}

fn index<T: Clone>(list: &[T], index: i64) -> Option<T> {
    let index = if index < 0 {
        list.len() as i64 + index
    } else {
        index
    };
    list.get(usize::try_from(index).ok()?).cloned()
}

fn slice<T: Clone>(list: &[T], from: Option<i64>, to: Option<i64>) -> Vec<T> {
    let len = list.len() as i64;
    let place = |index: i64| (if index < 0 { len + index } else { index }).clamp(0, len);
    let (from, to) = (from.map_or(0, place), to.map_or(len, place));
    (from..to).map(|at| list[at as usize].clone()).collect()
}

fn select(data: &Ipld, path: &[(Step, bool)]) -> Option<Ipld> {
    let Some(((step, optional), rest)) = path.split_first() else {
        return Some(data.clone());
    };
    let next = match (step, data) {
        (Step::Name(name) | Step::Quoted(name), Ipld::Map(map)) => {
            Some(map.get(name).cloned().unwrap_or(Ipld::Null))
        }
        (Step::Values, Ipld::List(_)) => Some(data.clone()),
        (Step::Values, Ipld::Map(map)) => Some(Ipld::List(map.values().cloned().collect())),
        (Step::Index(at), Ipld::List(list)) => index(list, *at),
        (Step::Index(at), Ipld::Bytes(bytes)) => index(bytes, *at).map(Ipld::from),
        (Step::Slice(from, to), Ipld::List(list)) => Some(Ipld::List(slice(list, *from, *to))),
        (Step::Slice(from, to), Ipld::Bytes(list)) => Some(Ipld::Bytes(slice(list, *from, *to))),
        _ => None,
    };
    match next {
        Some(next) => select(&next, rest),
        None if *optional => select(&Ipld::Null, rest),
        None => None,
    }
}

/// Numbers of the tests are small, so a float holds them exactly.
fn number(value: &Ipld) -> Option<f64> {
    match value {
        Ipld::Integer(integer) => Some(*integer as f64),
        Ipld::Float(float) => Some(*float),
        _ => None,
    }
}

fn equal(a: &Ipld, b: &Ipld) -> bool {
    match (a, b) {
        (Ipld::List(a), Ipld::List(b)) => {
            a.len() == b.len() && (0..a.len()).all(|at| equal(&a[at], &b[at]))
        }
        (Ipld::Map(a), Ipld::Map(b)) => {
            let has = |a: &BTreeMap<String, Ipld>, b: &BTreeMap<String, Ipld>| {
                a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
            };
            has(a, b) && has(b, a)
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
            _ => a == b,
        },
    }
}

/// By all ways to divide the text.
pub fn glob(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("\\*") {
        return text.strip_prefix('*').is_some_and(|text| glob(rest, text));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        return ends.any(|at| glob(rest, &text[at..]));
    }
    match pattern.chars().next() {
        None => text.is_empty(),
        Some(c) => text
            .strip_prefix(c)
            .is_some_and(|text| glob(&pattern[c.len_utf8()..], text)),
    }
}

pub fn holds(tree: &Tree, data: &Ipld) -> bool {
    match tree {
        Tree::Compare(operator, path, value) => {
            let Some(found) = select(data, path) else {
                return false;
            };
            match *operator {
                "==" => return equal(&found, value),
                "!=" => return !equal(&found, value),
                _ => {}
            }
            let (Some(found), Some(value)) = (number(&found), number(value)) else {
                return false;
            };
            match *operator {
                "<" => found < value,
                "<=" => found <= value,
                ">" => found > value,
                _ => found >= value,
            }
        }
        Tree::Like(path, pattern) => {
            matches!(select(data, path), Some(Ipld::String(text)) if glob(pattern, &text))
        }
        Tree::Connect("and", trees) => trees.iter().all(|tree| holds(tree, data)),
        Tree::Connect(_, trees) => trees.is_empty() || trees.iter().any(|tree| holds(tree, data)),
        Tree::Not(tree) => !holds(tree, data),
        Tree::Quantify(operator, path, tree) => {
            let items: Vec<Ipld> = match select(data, path) {
                Some(Ipld::List(list)) => list,
                Some(Ipld::Map(map)) => map.into_values().collect(),
                _ => return false,
            };
            if *operator == "all" {
                items.iter().all(|item| holds(tree, item))
            } else {
                items.iter().any(|item| holds(tree, item))
            }
        }
    }
}

/// A delegation as plain values. Principals are numbers.
#[derive(Debug, Clone)]
pub struct Plain {
    pub from: u8,
    pub to: u8,
    pub subject: Option<u8>,
    pub command: &'static str,
    /// The argument `n` must be at most this.
    pub most: i64,
    pub begin: Option<u64>,
    pub end: Option<u64>,
}

/// An invocation as plain values.
#[derive(Debug, Clone)]
pub struct Call {
    pub by: u8,
    pub subject: u8,
    pub command: &'static str,
    pub n: i64,
}

fn under(above: &str, command: &str) -> bool {
    let segments = |command: &str| -> Vec<String> {
        let named = command.split('/').filter(|segment| !segment.is_empty());
        named.map(str::to_owned).collect()
    };
    segments(command).starts_with(&segments(above))
}

/// Whether `chain` (places in `world`) allows the call. `revoked`: who revoked which.
pub fn allows(
    world: &[Plain],
    revoked: &[(u8, usize)],
    call: &Call,
    chain: &[usize],
    now: u64,
) -> bool {
    let all = |condition: &dyn Fn(usize, &Plain) -> bool| {
        chain
            .iter()
            .enumerate()
            .all(|(place, at)| condition(place, &world[*at]))
    };
    let Some(last) = chain.last().map(|at| &world[*at]) else {
        return call.by == call.subject;
    };
    let first = &world[chain[0]];
    let follows = |a: &Plain, b: &Plain| a.to == b.from && under(a.command, b.command);
    let once = |at: usize| chain.iter().filter(|other| **other == at).count() == 1;
    let taken_back = |place: usize| {
        let issuers: Vec<u8> = chain[..=place].iter().map(|at| world[*at].from).collect();
        revoked
            .iter()
            .any(|(who, what)| *what == chain[place] && issuers.contains(who))
    };
    first.from == call.subject
        && first.subject == Some(call.subject)
        && last.to == call.by
        && under(last.command, call.command)
        && chain
            .windows(2)
            .all(|pair| follows(&world[pair[0]], &world[pair[1]]))
        && chain.iter().all(|at| once(*at))
        && all(&|_, proof| proof.subject.is_none_or(|of| of == call.subject))
        && all(&|_, proof| proof.begin.is_none_or(|begin| begin <= now))
        && all(&|_, proof| proof.end.is_none_or(|end| now <= end))
        && all(&|_, proof| call.n <= proof.most)
        && !(0..chain.len()).any(taken_back)
}

/// Whether there is a chain at all, by trying every one up to the length of the world.
pub fn reachable(world: &[Plain], revoked: &[(u8, usize)], call: &Call, now: u64) -> bool {
    fn extend(world: &[Plain], chain: &mut Vec<usize>, test: &dyn Fn(&[usize]) -> bool) -> bool {
        if test(chain) {
            return true;
        }
        for next in 0..world.len() {
            let follows = chain
                .last()
                .is_none_or(|last| world[*last].to == world[next].from);
            if follows && !chain.contains(&next) {
                chain.push(next);
                let found = extend(world, chain, test);
                chain.pop();
                if found {
                    return true;
                }
            }
        }
        false
    }
    let test = |chain: &[usize]| allows(world, revoked, call, chain, now);
    extend(world, &mut Vec::new(), &test)
}
