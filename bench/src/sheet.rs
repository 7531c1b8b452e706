//! The rows of one answer as an application holds them: decoded, owned, in the same form for every engine.

use std::ops::Range;

use crate::queries::Cell;

/// All cells of an answer; text is copied into one buffer. It is used again for the next answer, so that no engine's figures depend on
/// how memory is handed out to the benchmark.
#[derive(Default)]
pub struct Sheet {
    cells: Vec<Held>,
    /// Where each row ends in `cells`.
    ends: Vec<usize>,
    text: String,
}

/// One decoded cell.
#[derive(Clone, Debug)]
enum Held {
    Text(Range<usize>),
    Iri(Range<usize>),
    Number(i64),
    Entity([u8; 24]),
}

impl Sheet {
    pub fn clear(&mut self) {
        self.cells.clear();
        self.ends.clear();
        self.text.clear();
    }

    /// Takes a row.
    pub fn push(&mut self, cells: &[Cell<'_>]) {
        for cell in cells {
            let held = match *cell {
                Cell::Text(text) => Held::Text(self.copy(text)),
                Cell::Iri(iri) => Held::Iri(self.copy(iri)),
                Cell::Number(number) => Held::Number(number),
                Cell::Entity(id) => Held::Entity(id),
            };
            self.cells.push(held);
        }
        self.ends.push(self.cells.len());
    }

    fn copy(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// The rows, one after the other.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Cell<'_>>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| {
            let cells = self.cells[start..*end].iter();
            cells.map(|cell| self.cell(cell)).collect()
        })
    }

    fn cell(&self, held: &Held) -> Cell<'_> {
        match held {
            Held::Text(at) => Cell::Text(&self.text[at.clone()]),
            Held::Iri(at) => Cell::Iri(&self.text[at.clone()]),
            Held::Number(number) => Cell::Number(*number),
            Held::Entity(id) => Cell::Entity(*id),
        }
    }
}
