//! Everything as blocks: a manifest, under it trees of blocks of entities and of files, written depth first, so that who reads it from the
//! start always knows what comes next.

mod plan;

use std::io::{Read, Write};

use rhizome_blob::Cid;
use rhizome_ipld::{car, cid_blake3, cid_raw_blake3, codec};
use rhizome_tuple::{EntityId, Value};
use serde::Serialize;

use crate::entities::{Entities, Entity};
use crate::files::{self, File};
use crate::{Export, ExportError, Exported, Progress, VERSION, Watch};
use plan::{Put, Tree, tree};

/// Bytes of entities in one block, and of a part of a file: well below what tools for IPLD take.
const PART: usize = 1 << 20;
/// Bytes of entities after which a block is full.
const FULL: usize = 256 << 10;

/// The root of an export.
#[derive(Serialize)]
struct Manifest<'a> {
    rhizome: &'static str,
    version: u64,
    pod: &'a str,
    /// A tree of blocks of entities.
    entities: Cid,
    /// A tree of files.
    files: Cid,
}

/// What a block of entities holds: each with its attributes, their form and their values.
type Row<'a> = (EntityId, Vec<(&'a str, &'static str, &'a [Value])>);

/// A file of more than one part.
#[derive(Serialize)]
struct Parted {
    /// Its name, of which there is no block.
    file: String,
    bytes: u64,
    /// A tree of its parts.
    parts: Cid,
}

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    // names first: what stands above names what stands below
    let mut blocks = Vec::new();
    let mut named = Vec::new();
    let mut total = entities.len() as u64 * 2;
    let mut done = 0;
    each_block(
        entities,
        &mut |entity| {
            exported.take(entity);
            named.extend(entity.files());
        },
        &mut |n, block| {
            done = n as u64;
            watch(Progress { done, total })?;
            blocks.push(cid_blake3(block));
            Ok(())
        },
    )?;
    let here = files::present(export, named, &mut exported)?;
    total += here.len() as u64 * 2;
    let mut planned = Vec::with_capacity(here.len());
    for (n, file) in (entities.len() as u64..).zip(&here) {
        watch(Progress { done: n, total })?;
        planned.push(Planned::of(export, file)?);
    }
    let of_entities = tree(blocks)?;
    let of_files = tree(planned.iter().map(|file| file.cid).collect())?;
    let manifest = codec::encode(&Manifest {
        rhizome: "export",
        version: VERSION,
        pod: export.pod,
        entities: of_entities.cid(),
        files: of_files.cid(),
    })?;

    let root = cid_blake3(&manifest);
    let mut car = car::Writer::new(out, &[root])?;
    car.write(&root, &manifest)?;
    done = total / 2;
    let mut walk = of_entities.walk();
    each_block(entities, &mut |_| (), &mut |n, block| {
        watch(Progress {
            done: done + n as u64,
            total,
        })?;
        walk.nodes_before_next(&mut |cid, node| Ok(car.write(cid, node)?))?;
        Ok(car.write(&cid_blake3(block), block)?)
    })?;
    walk.rest(&mut |cid, node| Ok(car.write(cid, node)?))?;
    done += entities.len() as u64;
    let mut walk = of_files.walk();
    for (n, file) in (done..).zip(&planned) {
        watch(Progress { done: n, total })?;
        walk.nodes_before_next(&mut |cid, node| Ok(car.write(cid, node)?))?;
        file.write(export, &mut car)?;
    }
    walk.rest(&mut |cid, node| Ok(car.write(cid, node)?))?;
    car.finish()?.flush()?;
    Ok(exported)
}

/// Takes a block, and how many entities were looked at until then.
type Block<'b> = &'b mut dyn FnMut(usize, &[u8]) -> Result<(), ExportError>;

/// Blocks of entities, in order, each as soon as it is full.
fn each_block(
    entities: &Entities<'_>,
    look: &mut dyn FnMut(&Entity),
    then: Block<'_>,
) -> Result<(), ExportError> {
    let mut rows: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    entities.each(|n, entity| {
        look(&entity);
        let held = entity.held.iter();
        let held = held.map(|h| (h.attribute.as_str(), h.form_name(), h.values.as_slice()));
        let row: Row<'_> = (entity.id, held.collect());
        let row = codec::encode(&row)?;
        if bytes + row.len() > FULL && !rows.is_empty() {
            then(n, &array(&rows))?;
            rows.clear();
            bytes = 0;
        }
        bytes += row.len();
        rows.push(row);
        Ok(())
    })?;
    if !rows.is_empty() {
        then(entities.len(), &array(&rows))?;
    }
    Ok(())
}

/// An array in DAG-CBOR of items that are encoded already.
fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.iter().map(Vec::len).sum::<usize>() + 5);
    match items.len() {
        n @ 0..=23 => out.push(0x80 | n as u8),
        n @ 24..=0xff => out.extend([0x98, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0x99);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x9a);
            out.extend((n as u32).to_be_bytes());
        }
    }
    for item in items {
        out.extend(item);
    }
    out
}

/// A file with the names of its blocks.
struct Planned {
    cid: Cid,
    file: Cid,
    /// Above its parts, if it has more than one.
    above: Option<(Vec<u8>, Tree)>,
}

impl Planned {
    fn of(export: &Export<'_>, file: &File) -> Result<Self, ExportError> {
        if file.bytes <= PART as u64 {
            return Ok(Self {
                cid: file.cid,
                file: file.cid,
                above: None,
            });
        }
        let mut parts = Vec::new();
        each_part(export, &file.cid, &mut |cid, _| {
            parts.push(*cid);
            Ok(())
        })?;
        let parts = tree(parts)?;
        let node = codec::encode(&Parted {
            file: file.cid.to_string(),
            bytes: file.bytes,
            parts: parts.cid(),
        })?;
        Ok(Self {
            cid: cid_blake3(&node),
            file: file.cid,
            above: Some((node, parts)),
        })
    }

    fn write<W: Write>(
        &self,
        export: &Export<'_>,
        car: &mut car::Writer<W>,
    ) -> Result<(), ExportError> {
        let Some((node, parts)) = &self.above else {
            return each_part(export, &self.file, &mut |cid, part| {
                Ok(car.write(cid, part)?)
            });
        };
        car.write(&self.cid, node)?;
        let mut walk = parts.walk();
        each_part(export, &self.file, &mut |cid, part| {
            walk.nodes_before_next(&mut |cid, node| Ok(car.write(cid, node)?))?;
            Ok(car.write(cid, part)?)
        })?;
        walk.rest(&mut |cid, node| Ok(car.write(cid, node)?))
    }
}

/// The parts of a file, with their names; an empty file is one empty part.
fn each_part(export: &Export<'_>, file: &Cid, then: Put<'_>) -> Result<(), ExportError> {
    let blob = export.blobs.open(file)?;
    let mut reader = blob.reader(0, u64::MAX);
    let mut part = Vec::with_capacity(PART.min(blob.len() as usize));
    let mut first = true;
    loop {
        part.clear();
        reader.by_ref().take(PART as u64).read_to_end(&mut part)?;
        if part.is_empty() && !first {
            return Ok(());
        }
        first = false;
        then(&cid_raw_blake3(*blake3::hash(&part).as_bytes()), &part)?;
        if part.len() < PART {
            return Ok(());
        }
    }
}
