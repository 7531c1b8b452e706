//! How reading a document ended, and what is said of it: in the same words by every importer.

use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode};

/// How far a document could be read.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// To its end.
    Whole,
    /// A syntax error or a record over the limit stopped it: what is wrong and where.
    Broken(String),
}

/// What was met while reading items.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Places where the path met another type than it names.
    pub mismatches: u64,
    /// Invalid UTF-8 sequences replaced.
    pub replaced: u64,
}

impl Outcome {
    /// Says what was wrong with `file` as a whole: `what` it is called, and what `unlike` the expected was said to be met.
    pub fn report(&self, file: &str, what: &str, unlike: &str, sink: &mut dyn Sink) {
        if let End::Broken(why) = &self.end {
            broken_off(file, what, why, sink);
        }
        if self.mismatches > 0 {
            sink.incomplete(Problem::of_file(ProblemCode::Malformed, file, unlike));
        }
        replaced(file, self.replaced, sink);
    }
}

/// Says that the rest of a document is lost, so that what is missing did not vanish.
pub fn broken_off(file: &str, what: &str, why: &str, sink: &mut dyn Sink) {
    let message = format!("the rest of the {what} cannot be read: {why}");
    sink.incomplete(Problem::of_file(ProblemCode::Malformed, file, message));
}

/// Says how much of a document was not UTF-8, if anything.
pub fn replaced(file: &str, count: u64, sink: &mut dyn Sink) {
    if count > 0 {
        let message = format!("{count} sequences of bytes are not UTF-8; each became U+FFFD");
        sink.problem(Problem::of_file(ProblemCode::Encoding, file, message));
    }
}
