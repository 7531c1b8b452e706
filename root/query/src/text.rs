//! Finding words in texts: `fulltext` in Datalog, `$search` in nested queries. Whoever has an index answers, before the query runs.

use rhizome_tuple::{EntityId, Value};

use crate::datalog::ast::{Argument, Binding, Clause, ClauseKind, Query, Term};
use crate::error::{Position, QueryError};

/// Texts that a query may find: more is refused.
pub const MAX_TEXTS: usize = 10_000;

/// Finds texts by their words.
pub trait TextSearch {
    /// The texts with these words, of one attribute or of any, the best first; at most one of each entity and one more than [`MAX_TEXTS`].
    ///
    /// # Errors
    /// What is wrong with the words, or with the index, for people.
    fn texts(&self, attribute: Option<&str>, words: &str) -> Result<Vec<FoundText>, String>;
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundText {
    /// Whose.
    pub entity: EntityId,
    /// The text.
    pub text: String,
    /// How well it fits; to be compared within one answer.
    pub score: f64,
}

/// Asks, and refuses too much. `place` is where it is asked, for people.
pub(crate) fn ask(
    search: Option<&dyn TextSearch>,
    at: Option<Position>,
    place: &str,
    attribute: Option<&str>,
    words: &str,
) -> Result<Vec<FoundText>, QueryError> {
    let refused = |why: String| QueryError::Search {
        at,
        place: place.to_owned(),
        why,
    };
    let Some(search) = search else {
        let why = "words are looked for when a query is asked once, not in a live query: subscribe to a query without this, or ask again";
        return Err(refused(why.into()));
    };
    let found = search.texts(attribute, words).map_err(&refused)?;
    if found.len() > MAX_TEXTS {
        return Err(refused(format!(
            "more than {MAX_TEXTS} texts have these words: look for something rarer"
        )));
    }
    Ok(found)
}

/// Puts what is found in place of each `[(fulltext $ :attribute "words") [[?e ?text ?score]]]`.
pub(crate) fn resolve(query: &mut Query, search: &dyn TextSearch) -> Result<(), QueryError> {
    clauses(&mut query.clauses, search)?;
    for rule in &mut query.rules {
        clauses(&mut rule.body, search)?;
    }
    Ok(())
}

fn clauses(all: &mut [Clause], search: &dyn TextSearch) -> Result<(), QueryError> {
    for clause in all {
        let at = clause.at;
        match &mut clause.kind {
            ClauseKind::Function {
                name,
                arguments,
                output,
            } if is_fulltext(name) => {
                let rows = rows(at, arguments, output, search)?;
                "ground".clone_into(name);
                *arguments = vec![Argument::Rows(rows)];
            }
            ClauseKind::Not { body, .. } => clauses(body, search)?,
            ClauseKind::Or { branches, .. } => {
                for branch in branches {
                    clauses(branch, search)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn is_fulltext(name: &str) -> bool {
    name == "fulltext"
}

fn rows(
    at: Position,
    arguments: &[Argument],
    output: &Binding,
    search: &dyn TextSearch,
) -> Result<Vec<Vec<Value>>, QueryError> {
    let wrong = |expected: &str| QueryError::Syntax {
        at,
        expected: expected.to_owned(),
        found: "something else".into(),
    };
    let rest = arguments
        .strip_prefix(&[Argument::Database])
        .unwrap_or(arguments);
    let asked = "(fulltext $ :attribute \"words\"), or without the attribute for any";
    let (attribute, words) = match rest {
        [
            Argument::Term(Term::Constant(Value::Text(attribute))),
            Argument::Term(Term::Constant(Value::Text(words))),
        ] => (Some(attribute.as_str()), words),
        [Argument::Term(Term::Constant(Value::Text(words)))] => (None, words),
        _ => return Err(wrong(asked)),
    };
    let width = match output {
        Binding::Relation(places) if (1..=3).contains(&places.len()) => places.len(),
        Binding::Collection(_) => 1,
        _ => {
            return Err(wrong(
                "[[?entity ?text ?score]], [[?entity ?text]] or [?entity ...]",
            ));
        }
    };
    let attribute = attribute.map(|name| name.trim_start_matches(':'));
    let found = ask(Some(search), Some(at), "fulltext", attribute, words)?;
    let row = |one: FoundText| {
        let mut row = vec![
            Value::Ref(one.entity),
            Value::Text(one.text),
            Value::Float(one.score),
        ];
        row.truncate(width);
        row
    };
    Ok(found.into_iter().map(row).collect())
}
