//! Contacts as vCards, version 4.0.

use std::io::Write;

use crate::content_line::{escaped, line, parameter};
use crate::entities::{Entities, Entity};
use crate::{Export, ExportError, Exported, Watch};

/// Bytes of a picture that is put into a card; larger ones make address books slow, and are left out of it.
const PHOTO: u64 = 1 << 20;

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    entities.each_told(entities.len() as u64, watch, |entity| {
        match entity.text("contact/type") {
            Some("contact") => card(export, &entity, &mut exported, out)?,
            Some("contact-group") => group(&entity, out)?,
            _ => return Ok(()),
        }
        exported.take(&entity);
        Ok(())
    })?;
    out.flush()?;
    Ok(exported)
}

/// What the card is called: as the address book it came from called it, or by its id here.
fn uid(entity: &Entity) -> String {
    let own = || entity.id.to_string();
    entity.text("contact/uid").map_or_else(own, str::to_owned)
}

fn begin(entity: &Entity, out: &mut dyn Write) -> Result<(), ExportError> {
    line(out, "BEGIN", "VCARD")?;
    line(out, "VERSION", "4.0")?;
    line(out, "UID", &escaped(&uid(entity)))?;
    let name = entity.text("contact/name").unwrap_or_default();
    line(out, "FN", &escaped(name))?;
    if let Some(note) = entity.text("contact/note") {
        line(out, "NOTE", &escaped(note))?;
    }
    if let Some(at) = entity
        .time("contact/updated")
        .and_then(crate::entities::utc)
    {
        line(out, "REV", &at)?;
    }
    Ok(())
}

fn group(entity: &Entity, out: &mut dyn Write) -> Result<(), ExportError> {
    begin(entity, out)?;
    line(out, "KIND", "group")?;
    for member in entity.refs("contact/member") {
        line(out, "MEMBER", &escaped(&member.to_string()))?;
    }
    Ok(line(out, "END", "VCARD")?)
}

fn card(
    export: &Export<'_>,
    entity: &Entity,
    exported: &mut Exported,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    begin(entity, out)?;
    let part = |name: &str| escaped(entity.text(name).unwrap_or_default());
    let parts = [
        "contact/family-name",
        "contact/given-name",
        "contact/additional-name",
        "contact/prefix",
        "contact/suffix",
    ]
    .map(part);
    if parts.iter().any(|part| !part.is_empty()) {
        line(out, "N", &parts.join(";"))?;
    }
    for (attribute, property) in [
        ("contact/org", "ORG"),
        ("contact/title", "TITLE"),
        ("contact/role", "ROLE"),
        ("contact/language", "LANG"),
        ("contact/gender", "GENDER"),
        ("contact/time-zone", "TZ"),
        ("contact/birthday", "BDAY"),
        ("contact/anniversary", "ANNIVERSARY"),
        ("contact/email", "EMAIL"),
        ("contact/tel", "TEL"),
        ("contact/url", "URL"),
        ("contact/impp", "IMPP"),
    ] {
        for text in entity.texts(attribute) {
            // dates have hyphens that the basic form of version 4 has not, but for those without a year
            let dated = matches!(property, "BDAY" | "ANNIVERSARY") && !text.starts_with("--");
            let text = if dated {
                text.replace('-', "")
            } else {
                text.to_owned()
            };
            line(out, property, &escaped(&text))?;
        }
    }
    for (attribute, property) in [
        ("contact/nickname", "NICKNAME"),
        ("contact/category", "CATEGORIES"),
    ] {
        let all: Vec<String> = entity.texts(attribute).map(escaped).collect();
        if !all.is_empty() {
            line(out, property, &all.join(","))?;
        }
    }
    for address in entity.texts("contact/address") {
        let label = parameter(&address.replace('\n', ", "));
        let property = format!("ADR;LABEL={label}");
        line(out, &property, &format!(";;{};;;;", escaped(address)))?;
    }
    for (n, field) in entity.texts("contact/field").enumerate() {
        let (label, value) = field.split_once(": ").unwrap_or(("note", field));
        let group = format!("item{}", n + 1);
        line(out, &format!("{group}.X-FIELD"), &escaped(value))?;
        line(out, &format!("{group}.X-ABLabel"), &escaped(label))?;
    }
    if let (Some(lat), Some(lon)) = (
        entity.number("contact/latitude"),
        entity.number("contact/longitude"),
    ) {
        line(out, "GEO", &format!("geo:{lat},{lon}"))?;
    }
    photo(export, entity, exported, out)?;
    Ok(line(out, "END", "VCARD")?)
}

fn photo(
    export: &Export<'_>,
    entity: &Entity,
    exported: &mut Exported,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let Some(cid) = entity.blob("contact/photo") else {
        return match entity.text("contact/photo-url") {
            Some(url) => Ok(line(out, "PHOTO", url)?),
            None => Ok(()),
        };
    };
    let blob = match export.blobs.open(&cid) {
        Ok(blob) => blob,
        Err(rhizome_blob::BlobError::Missing(_)) => {
            exported.miss(&cid);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if blob.len() > PHOTO {
        exported.miss(&cid);
        return Ok(());
    }
    let bytes = blob.read_range(0, blob.len())?;
    let mime = infer::get(&bytes).map_or("application/octet-stream", |kind| kind.mime_type());
    let data = data_encoding::BASE64.encode(&bytes);
    exported.files += 1;
    exported.file_bytes += bytes.len() as u64;
    Ok(line(out, "PHOTO", &format!("data:{mime};base64,{data}"))?)
}
