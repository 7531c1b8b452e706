//! JSON lines: a header, then an entity a line, then a line that says how many there were.

use std::io::Write;

use rhizome_blob::Cid;
use rhizome_replica::Form;
use rhizome_schema::to_json;
use serde_json::{Map, Value as Json, json};

use crate::entities::{Entities, Entity};
use crate::{Export, ExportError, Exported, VERSION, Watch, files};

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    let named = lines(export, entities, out, watch, &mut exported)?;
    files::present(export, named, &mut exported)?;
    out.flush()?;
    Ok(exported)
}

/// Writes all lines and gives the files that are named in them.
pub(crate) fn lines(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
    exported: &mut Exported,
) -> Result<Vec<Cid>, ExportError> {
    let header = json!({ "rhizome": "export", "version": VERSION, "pod": export.pod });
    serde_json::to_writer(&mut *out, &header)?;
    out.write_all(b"\n")?;
    let mut named = Vec::new();
    entities.each_told(entities.len() as u64, watch, |entity| {
        serde_json::to_writer(&mut *out, &line(&entity))?;
        out.write_all(b"\n")?;
        exported.take(&entity);
        named.extend(entity.files());
        Ok(())
    })?;
    // who reads it knows by this that nothing is cut off
    let end = json!({ "rhizome": "end", "entities": exported.entities });
    serde_json::to_writer(&mut *out, &end)?;
    out.write_all(b"\n")?;
    Ok(named)
}

fn line(entity: &Entity) -> Json {
    let mut facts = Map::new();
    for held in &entity.held {
        let all = || held.values.iter().map(to_json).collect::<Json>();
        let one = || held.values.first().map_or(Json::Null, to_json);
        let value = match held.form {
            Form::Register => one(),
            Form::Counter => json!({ "counter": one() }),
            Form::Set => json!({ "set": all() }),
            Form::List => json!({ "list": all() }),
        };
        facts.insert(held.attribute.clone(), value);
    }
    json!({ "id": entity.id.to_string(), "facts": facts })
}
