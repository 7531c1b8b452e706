//! CARs: a manifest, under it a tree of blocks of entities and a tree of files, depth first.

use std::io::{self, BufReader, Read};

use rhizome_blob::Cid;
use rhizome_ipld::{RAW, car, codec};
use rhizome_tuple::{Attribute, EntityId, Value};
use serde::Deserialize;

use super::{ENTITY_BYTES, Header, fact, record};
use crate::error::ImportError;
use crate::importer::Sink;
use crate::outcome;
use crate::problem::{Problem, ProblemCode};
use crate::source::{Entry, Source};

/// Levels of a tree: with 8,192 links in a node, three hold more than anybody has.
const DEEPEST: u64 = 4;

#[derive(Deserialize)]
struct Manifest {
    #[serde(flatten)]
    header: Header,
    entities: Cid,
    files: Cid,
}

#[derive(Deserialize)]
struct Links {
    depth: u64,
    links: Vec<Cid>,
}

#[derive(Deserialize)]
struct Parted {
    file: String,
    bytes: u64,
    parts: Cid,
}

type Row = (EntityId, Vec<(Attribute, String, Vec<Value>)>);

/// Whose export it is, if the first block is the manifest of one.
pub fn pod(head: &[u8]) -> Option<String> {
    let mut car = car::Reader::new(head, car::Limits::default()).ok()?;
    let root = *car.roots().first()?;
    let (cid, block) = car.next()?.ok()?;
    let manifest: Manifest = codec::decode(&block, block.len()).ok()?;
    (cid == root).then(|| manifest.header.pod()).flatten()
}

pub fn read(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let path = entry.path.as_str();
    sink.used(path);
    let reader = BufReader::new(source.read(path)?);
    let limits = car::Limits {
        block: ENTITY_BYTES,
        ..car::Limits::default()
    };
    let mut walk = match car::Reader::new(reader, limits) {
        Ok(car) => Walk {
            car,
            path,
            total: entry.size,
            done: 0,
        },
        Err(error) => {
            sink.incomplete(Problem::of_file(
                ProblemCode::Malformed,
                path,
                error.to_string(),
            ));
            return Ok(());
        }
    };
    match walk.whole(sink) {
        Err(Ended::Import(error)) => Err(error),
        Err(Ended::Here(why)) => {
            outcome::broken_off(path, "export", &why, sink);
            Ok(())
        }
        Ok(()) => sink.progress(path, entry.size, entry.size),
    }
}

/// Why reading stopped.
enum Ended {
    /// The document is at fault.
    Here(String),
    /// The import is.
    Import(ImportError),
}

impl From<ImportError> for Ended {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

struct Walk<'a, R> {
    car: car::Reader<R>,
    path: &'a str,
    total: u64,
    done: u64,
}

/// What of a tree is still to come.
struct Tree(Vec<(std::vec::IntoIter<Cid>, u64)>);

impl Tree {
    fn open<R: Read>(root: &Cid, walk: &mut Walk<'_, R>) -> Result<Self, Ended> {
        let mut tree = Self(Vec::new());
        tree.enter(root, walk)?;
        Ok(tree)
    }

    fn enter<R: Read>(&mut self, cid: &Cid, walk: &mut Walk<'_, R>) -> Result<(), Ended> {
        let node: Links = walk.node(cid)?;
        let fits = match self.0.last() {
            Some((_, above)) => node.depth + 1 == *above,
            None => node.depth <= DEEPEST,
        };
        if !fits {
            return Err(Ended::Here(format!("block {cid} stands at a wrong depth")));
        }
        self.0.push((node.links.into_iter(), node.depth));
        Ok(())
    }

    /// The next of what it lists.
    fn next<R: Read>(&mut self, walk: &mut Walk<'_, R>) -> Result<Option<Cid>, Ended> {
        while let Some((links, depth)) = self.0.last_mut() {
            match links.next() {
                Some(link) if *depth == 0 => return Ok(Some(link)),
                Some(link) => self.enter(&link, walk)?,
                None => {
                    self.0.pop();
                }
            }
        }
        Ok(None)
    }
}

impl<R: Read> Walk<'_, R> {
    fn whole(&mut self, sink: &mut dyn Sink) -> Result<(), Ended> {
        let root = self.car.roots().first().copied();
        let root = root.ok_or_else(|| Ended::Here("it names no root".to_owned()))?;
        let manifest: Manifest = self.node(&root)?;
        let mut tree = Tree::open(&manifest.entities, self)?;
        while let Some(cid) = tree.next(self)? {
            self.entities(&cid, sink)?;
        }
        let mut tree = Tree::open(&manifest.files, self)?;
        while let Some(cid) = tree.next(self)? {
            self.file(&cid, sink)?;
        }
        Ok(())
    }

    /// The next block, which has to be the one that is linked here.
    fn block(&mut self, cid: &Cid) -> Result<Vec<u8>, Ended> {
        let next = self.car.next().transpose();
        let next = next.map_err(|error| Ended::Here(error.to_string()))?;
        match next {
            Some((found, block)) if found == *cid => {
                self.done += block.len() as u64 + 40;
                Ok(block)
            }
            Some((found, _)) => Err(Ended::Here(format!(
                "block {cid} should come next, and {found} does"
            ))),
            None => Err(Ended::Here(format!("it ends before block {cid}"))),
        }
    }

    fn node<T: for<'de> Deserialize<'de>>(&mut self, cid: &Cid) -> Result<T, Ended> {
        let block = self.block(cid)?;
        codec::decode(&block, block.len())
            .map_err(|error| Ended::Here(format!("block {cid}: {error}")))
    }

    fn entities(&mut self, cid: &Cid, sink: &mut dyn Sink) -> Result<(), Ended> {
        let rows: Vec<Row> = self.node(cid)?;
        for (entity, held) in rows {
            let mut facts = Vec::with_capacity(held.len());
            for (attribute, form, values) in held {
                let name = attribute.to_string();
                match fact(attribute, &form, values) {
                    Some(fact) => facts.push(fact),
                    None => sink.problem(Problem::of_item(
                        ProblemCode::PartIgnored,
                        self.path,
                        entity.to_string(),
                        format!("{name} does not hold what its form says; it was left out"),
                    )),
                }
            }
            sink.record(record(entity, facts))?;
        }
        Ok(sink.progress(self.path, self.done.min(self.total), self.total)?)
    }

    /// A file: one raw block, or a node with the tree of its parts.
    fn file(&mut self, cid: &Cid, sink: &mut dyn Sink) -> Result<(), Ended> {
        if cid.codec() == RAW {
            let block = self.block(cid)?;
            sink.bytes(&cid.to_string(), &block)?;
            return Ok(());
        }
        let parted: Parted = self.node(cid)?;
        let expected: Cid = parted
            .file
            .parse()
            .map_err(|_| Ended::Here(format!("block {cid} names no file")))?;
        let tree = Tree::open(&parted.parts, self)?;
        let mut parts = Parts {
            walk: self,
            tree,
            part: io::Cursor::default(),
            ended: None,
        };
        let stored = sink.stream(&parted.file, &mut parts, parted.bytes);
        if let Some(ended) = parts.ended.take() {
            return Err(ended);
        }
        if let Some(stored) = stored?
            && stored.cid != expected
        {
            let message = "its parts make another file than it says";
            let problem = Problem::of_item(ProblemCode::Damaged, self.path, parted.file, message);
            sink.problem(problem);
        }
        Ok(())
    }
}

/// A file, read from its parts.
struct Parts<'w, 'a, R> {
    walk: &'w mut Walk<'a, R>,
    tree: Tree,
    part: io::Cursor<Vec<u8>>,
    ended: Option<Ended>,
}

impl<R: Read> Read for Parts<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.part.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let next = match self.tree.next(self.walk) {
                Ok(Some(cid)) => self.walk.block(&cid),
                Ok(None) => return Ok(0),
                Err(ended) => Err(ended),
            };
            match next {
                Ok(block) => self.part = io::Cursor::new(block),
                Err(ended) => {
                    self.ended = Some(ended);
                    return Err(io::Error::other("the export breaks off"));
                }
            }
        }
    }
}
