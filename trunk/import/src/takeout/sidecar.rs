//! The JSON beside a photograph, and that of an album.

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::facts::Facts;
use crate::part::Part;
use crate::source::Source;

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.photo/1`, made once.
    pub struct PhotoNames {
        album: "photo/album",
        album_name: "photo-album",
        altitude: "photo/altitude",
        archived: "photo/archived",
        created: "photo/created",
        description: "photo/description",
        favorite: "photo/favorite",
        latitude: "photo/latitude",
        longitude: "photo/longitude",
        motion: "photo/motion",
        original: "photo/original",
        person: "photo/person",
        shared: "photo/shared",
        title: "photo/title",
        trashed: "photo/trashed",
        r#type: "photo/type",
        uploaded: "photo/uploaded",
    }
}

/// Reads a small JSON object of the source.
///
/// # Errors
/// The outer for reading; the inner says what is wrong with the document.
pub fn object(
    source: &Source,
    path: &str,
) -> Result<Result<Map<String, Value>, String>, ImportError> {
    let bytes = match source.read_document(path) {
        Ok(bytes) => bytes,
        Err(error @ (ImportError::Read { .. } | ImportError::TooLarge { .. })) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let read = serde_json::from_str::<Map<String, Value>>(text.trim_start_matches('\u{feff}'));
    Ok(read.map_err(|error| error.to_string()))
}

/// The native id of what a sidecar describes: its address at Google, which is one for all albums, else its name and times.
pub fn key(fields: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let url = text(fields.get("url"));
    if url.starts_with("https://photos.google.com/") {
        return url;
    }
    let stamp = |name: &str| text(fields.get(name).and_then(|time| time.get("timestamp")));
    format!(
        "photo/{}/{}/{}",
        text(fields.get("title")),
        stamp("photoTakenTime"),
        stamp("creationTime")
    )
}

/// A time as sidecars write it: `{"timestamp": "1577836800"}`.
pub fn time(part: &mut Part<'_>, name: &str) -> Option<i64> {
    let inner = part.object(name)?;
    let stamp = inner.get("timestamp").map(|stamp| match stamp {
        Value::String(text) => text.parse::<i64>().ok(),
        other => other.as_i64(),
    });
    let ms = stamp
        .flatten()
        .and_then(|seconds| seconds.checked_mul(1_000));
    if ms.is_none() {
        part.complain(format!("{name} is not a time; it was left out"));
    }
    ms
}

/// What a sidecar says of its photograph.
pub fn facts(part: &mut Part<'_>, names: &PhotoNames, facts: &mut Facts) {
    facts.maybe(&names.title, part.text("title"));
    facts.or_empty(&names.description, part.text("description"));
    facts.maybe(&names.uploaded, time(part, "creationTime").map(Tuple::Time));
    let place = |part: &mut Part<'_>, name: &str| {
        let geo = part.object(name)?;
        let number = |name: &str| geo.get(name).and_then(Value::as_f64);
        let (latitude, longitude) = (number("latitude")?, number("longitude")?);
        // Nowhere is written as 0, 0.
        let somewhere = latitude != 0.0 || longitude != 0.0;
        let on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        (somewhere && on_earth).then(|| (latitude, longitude, number("altitude")))
    };
    if let Some((latitude, longitude, altitude)) =
        place(part, "geoData").or_else(|| place(part, "geoDataExif"))
    {
        facts.one(&names.latitude, Tuple::Float(latitude));
        facts.one(&names.longitude, Tuple::Float(longitude));
        facts.maybe(
            &names.altitude,
            altitude.filter(|metres| *metres != 0.0).map(Tuple::Float),
        );
    }
    let people = part.objects("people");
    let people = people
        .iter()
        .filter_map(|person| person.get("name").and_then(Value::as_str))
        .filter(|name| !name.is_empty());
    facts.set(&names.person, people.map(Tuple::from).collect());
    for (name, attribute) in [
        ("favorited", &names.favorite),
        ("archived", &names.archived),
        ("trashed", &names.trashed),
    ] {
        facts.or_empty(attribute, part.boolean(name).filter(|yes| *yes));
    }
}
