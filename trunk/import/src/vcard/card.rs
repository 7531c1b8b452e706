//! One vCard: what it says, in the words of the schema.

use calcard::common::PartialDateTime;
use calcard::vcard::{VCard, VCardEntry, VCardParameterName, VCardProperty as P, VCardValue};
use rhizome_blob::Cid;
use rhizome_tuple::Value;

use super::Labels;
use super::names::Names;
use crate::facts::Facts;

/// What a card says.
#[derive(Default)]
pub struct Card {
    pub group: bool,
    pub uid: Option<String>,
    pub name: String,
    pub note: Option<String>,
    pub updated: Option<i64>,
    pub photo: Option<Vec<u8>>,
    pub members: Vec<String>,
    /// What it holds that has no place here.
    pub ignored: Vec<String>,
    photo_url: Option<String>,
    /// Family, given, additional name, prefix, suffix.
    parts: [Option<String>; 5],
    nickname: Vec<String>,
    email: Vec<String>,
    tel: Vec<String>,
    url: Vec<String>,
    impp: Vec<String>,
    address: Vec<String>,
    field: Vec<String>,
    related: Vec<String>,
    category: Vec<String>,
    org: Option<String>,
    title: Option<String>,
    role: Option<String>,
    birthday: Option<String>,
    anniversary: Option<String>,
    gender: Option<String>,
    language: Option<String>,
    time_zone: Option<String>,
    place: Option<(f64, f64)>,
}

/// Types that say nothing a person would read.
const DULL: [&str; 6] = ["pref", "voice", "internet", "x-internet", "text", "b64"];

impl Card {
    /// What a card says; `None` for one that names nobody.
    pub fn read(vcard: &VCard) -> Option<Self> {
        let mut card = Self::default();
        let labels = labels(vcard);
        for entry in &vcard.entries {
            card.entry(entry, &labels);
        }
        if card.name.is_empty() {
            let [family, given, additional, prefix, suffix] = &card.parts;
            let parts: Vec<&str> = [prefix, given, additional, family, suffix]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            card.name = parts.join(" ");
        }
        let others = [card.org.as_ref(), card.nickname.first()];
        let more = [card.email.first(), card.tel.first()];
        if card.name.is_empty() {
            let name = others.into_iter().chain(more).flatten().next().cloned();
            card.name = name?;
        }
        Some(card)
    }

    /// What never changes about it: the address book's own name for it, or who it is.
    pub fn key(&self) -> String {
        if let Some(uid) = &self.uid {
            return uid.clone();
        }
        let second = self.email.first().or(self.tel.first());
        let mut hash = blake3::Hasher::new();
        hash.update(&(self.name.len() as u64).to_le_bytes());
        hash.update(self.name.as_bytes());
        hash.update(second.map_or("", String::as_str).as_bytes());
        format!("#{}", hash.finalize().to_hex())
    }

    fn entry(&mut self, entry: &VCardEntry, labels: &Labels) {
        let label = label(entry, labels);
        let label = label.as_deref();
        let text = || {
            let all: Vec<String> = entry.values.iter().filter_map(shown).collect();
            let all = all.join(", ");
            (!all.trim().is_empty()).then(|| all.trim().to_owned())
        };
        match &entry.name {
            P::Uid => self.uid = text().map(|uid| bare_uid(&uid).to_owned()),
            P::Fn => {
                if self.name.is_empty() {
                    self.name = text().unwrap_or_default();
                }
            }
            P::N => {
                for (part, value) in self.parts.iter_mut().zip(&entry.values) {
                    *part = shown(value).filter(|text| !text.is_empty());
                }
            }
            P::Nickname => self.nickname.extend(each(entry)),
            P::Categories => self.category.extend(each(entry)),
            P::Email => self.labelled(|card| &mut card.email, "email", label, text()),
            P::Tel => {
                let number = text().map(|number| number.trim_start_matches("tel:").to_owned());
                self.labelled(|card| &mut card.tel, "tel", label, number);
            }
            P::Url => self.labelled(|card| &mut card.url, "url", label, text()),
            P::Impp | P::Socialprofile => {
                self.labelled(|card| &mut card.impp, "messenger", label, text());
            }
            P::Adr => {
                let address = postal(entry);
                self.labelled(|card| &mut card.address, "address", label, address);
            }
            P::Org => self.org = text(),
            P::Title => self.title = text(),
            P::Role => self.role = text(),
            P::Note => self.note = text(),
            P::Bday => self.birthday = text(),
            P::Anniversary => self.anniversary = text(),
            P::Gender => self.gender = text(),
            P::Lang | P::Language => self.language = self.language.take().or(text()),
            P::Tz => self.time_zone = text(),
            P::Geo => self.place = place(entry).or_else(|| geo(&text()?)),
            P::Rev => self.updated = entry.values.iter().find_map(moment),
            P::Related => {
                let name = text().map(|text| bare_uid(&text).to_owned());
                let said = label.unwrap_or("related");
                self.related
                    .extend(name.map(|name| format!("{said}: {name}")));
            }
            P::Photo => self.picture(entry),
            P::Kind => self.group = text().is_some_and(|kind| kind.eq_ignore_ascii_case("group")),
            P::Member => self
                .members
                .extend(text().map(|uid| bare_uid(&uid).to_owned())),
            P::Begin | P::End | P::Version | P::Prodid | P::Clientpidmap => {}
            P::Other(name) => self.extension(name, label, text()),
            P::Logo | P::Sound | P::Key | P::Xml | P::Source => {
                self.ignored.push(entry.name.as_str().to_owned());
            }
            _ => self.say(&entry.name.as_str().to_ascii_lowercase(), text()),
        }
    }

    /// Lines that some programs add.
    fn extension(&mut self, name: &str, label: Option<&str>, text: Option<String>) {
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "X-ADDRESSBOOKSERVER-KIND" => {
                self.group |= text.is_some_and(|kind| kind.eq_ignore_ascii_case("group"));
            }
            "X-ADDRESSBOOKSERVER-MEMBER" => {
                self.members
                    .extend(text.map(|uid| bare_uid(&uid).to_owned()));
            }
            "X-ABLABEL" | "X-ABSHOWAS" | "X-ABADR" | "X-ABUID" | "X-IMAGETYPE" => {}
            "X-ABRELATEDNAMES" => {
                let said = label.unwrap_or("related");
                self.related
                    .extend(text.map(|name| format!("{said}: {name}")));
            }
            "X-AIM" | "X-ICQ" | "X-JABBER" | "X-MSN" | "X-YAHOO" | "X-GADUGADU" | "X-SKYPE"
            | "X-SKYPE-USERNAME" | "X-GOOGLE-TALK" | "X-GROUPWISE" | "X-QQ" => {
                let scheme = upper.trim_start_matches("X-").to_ascii_lowercase();
                self.impp
                    .extend(text.map(|name| format!("{scheme}:{name}")));
            }
            _ => {
                let plain = upper.trim_start_matches("X-").to_ascii_lowercase();
                self.say(label.unwrap_or(&plain), text);
            }
        }
    }

    fn say(&mut self, label: &str, text: Option<String>) {
        self.field
            .extend(text.map(|text| format!("{label}: {text}")));
    }

    /// A value, and with its label once more as a line for people.
    fn labelled(
        &mut self,
        list: impl Fn(&mut Self) -> &mut Vec<String>,
        what: &str,
        label: Option<&str>,
        value: Option<String>,
    ) {
        let Some(value) = value else { return };
        if let Some(label) = label {
            self.say(&format!("{what} {label}"), Some(value.replace('\n', ", ")));
        }
        let list = list(self);
        if !list.contains(&value) {
            list.push(value);
        }
    }

    fn picture(&mut self, entry: &VCardEntry) {
        for value in &entry.values {
            match value {
                VCardValue::Binary(data) if !data.data.is_empty() => {
                    self.photo = Some(data.data.clone());
                }
                VCardValue::Text(text) if text.contains("://") => {
                    self.photo_url = Some(text.clone());
                }
                _ => self.ignored.push("a photo that cannot be read".to_owned()),
            }
        }
    }

    /// All that the schema has a place for.
    pub fn facts(&self, names: &Names, photo: Option<Cid>) -> Facts {
        let mut facts = Facts::default();
        facts.one(&names.r#type, "contact");
        facts.one(&names.name, self.name.as_str());
        let [family, given, additional, prefix, suffix] = &self.parts;
        for (attribute, value) in [
            (&names.family_name, family),
            (&names.given_name, given),
            (&names.additional_name, additional),
            (&names.prefix, prefix),
            (&names.suffix, suffix),
            (&names.org, &self.org),
            (&names.title, &self.title),
            (&names.role, &self.role),
            (&names.note, &self.note),
            (&names.birthday, &self.birthday),
            (&names.anniversary, &self.anniversary),
            (&names.gender, &self.gender),
            (&names.language, &self.language),
            (&names.time_zone, &self.time_zone),
            (&names.photo_url, &self.photo_url),
        ] {
            facts.or_empty(attribute, value.as_deref());
        }
        for (attribute, values) in [
            (&names.nickname, &self.nickname),
            (&names.email, &self.email),
            (&names.tel, &self.tel),
            (&names.url, &self.url),
            (&names.impp, &self.impp),
            (&names.related, &self.related),
            (&names.category, &self.category),
        ] {
            facts.set(attribute, texts(values));
        }
        facts.list(&names.address, texts(&self.address));
        facts.list(&names.field, texts(&self.field));
        facts.maybe(&names.photo, photo.map(Value::Blob));
        facts.or_empty(
            &names.latitude,
            self.place.map(|(lat, _)| Value::Float(lat)),
        );
        facts.or_empty(
            &names.longitude,
            self.place.map(|(_, lon)| Value::Float(lon)),
        );
        facts.maybe(&names.uid, self.uid.as_deref());
        facts.maybe(&names.updated, self.updated.map(Value::Time));
        facts
    }
}

fn texts(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| value.as_str().into()).collect()
}

fn bare_uid(uid: &str) -> &str {
    uid.strip_prefix("urn:uuid:").unwrap_or(uid)
}

/// What `X-ABLabel` calls the lines of each group.
fn labels(vcard: &VCard) -> Labels {
    let mut labels = Labels::new();
    for entry in &vcard.entries {
        if let (Some(group), P::Other(name)) = (&entry.group, &entry.name)
            && name.eq_ignore_ascii_case("X-ABLabel")
            && let Some(text) = entry.values.first().and_then(shown)
        {
            let text = text.trim_start_matches("_$!<").trim_end_matches(">!$_");
            labels.insert(group.to_ascii_lowercase(), text.to_lowercase());
        }
    }
    labels
}

/// What a line is called: the label of its group, or its types.
fn label(entry: &VCardEntry, labels: &Labels) -> Option<String> {
    let group = entry.group.as_ref().map(|group| group.to_ascii_lowercase());
    if let Some(label) = group.and_then(|group| labels.get(&group)) {
        return Some(label.clone());
    }
    let mut types: Vec<String> = Vec::new();
    for value in entry.parameters(&VCardParameterName::Type) {
        let text = value.clone().into_text().to_ascii_lowercase();
        for word in text.split(',').map(str::trim) {
            if !word.is_empty() && !DULL.contains(&word) && !types.iter().any(|t| t == word) {
                types.push(word.to_owned());
            }
        }
    }
    (!types.is_empty()).then(|| types.join(", "))
}

/// A value as text.
fn shown(value: &VCardValue) -> Option<String> {
    Some(match value {
        VCardValue::Text(text) => text.trim().to_owned(),
        VCardValue::Component(parts) => parts.join(", ").trim().to_owned(),
        VCardValue::Integer(number) => number.to_string(),
        VCardValue::Float(number) => number.to_string(),
        VCardValue::Boolean(yes) => yes.to_string(),
        VCardValue::PartialDateTime(date) => day(date)?,
        VCardValue::Binary(_) => return None,
        VCardValue::Sex(_) | VCardValue::GramGender(_) | VCardValue::Kind(_) => {
            value.as_text()?.to_owned()
        }
    })
}

/// Every value of a line on its own.
fn each(entry: &VCardEntry) -> Vec<String> {
    let mut out = Vec::new();
    for value in &entry.values {
        if let VCardValue::Component(parts) = value {
            out.extend(parts.iter().map(|part| part.trim().to_owned()));
        } else {
            out.extend(shown(value));
        }
    }
    out.retain(|text| !text.is_empty());
    out
}

/// A date as ISO 8601 writes it, as far as it is known.
fn day(date: &PartialDateTime) -> Option<String> {
    let two = |part: Option<u8>| part.map(|part| format!("{part:02}"));
    let time = match (date.hour, date.minute) {
        (Some(0), Some(0)) | (None, _) => String::new(),
        (Some(hour), minute) => format!("T{hour:02}:{:02}", minute.unwrap_or(0)),
    };
    let day = match (date.year, two(date.month), two(date.day)) {
        (Some(year), Some(month), Some(day)) => format!("{year:04}-{month}-{day}"),
        (Some(year), Some(month), None) => format!("{year:04}-{month}"),
        (Some(year), None, _) => format!("{year:04}"),
        (None, Some(month), Some(day)) => format!("--{month}-{day}"),
        (None, Some(month), None) => format!("--{month}"),
        (None, None, Some(day)) => format!("---{day}"),
        (None, None, None) => return None,
    };
    Some(day + &time)
}

fn moment(value: &VCardValue) -> Option<i64> {
    match value {
        VCardValue::PartialDateTime(date) => date.to_timestamp()?.checked_mul(1_000),
        VCardValue::Integer(seconds) => seconds.checked_mul(1_000),
        _ => None,
    }
}

/// A postal address on lines: box, further, street, town, region, code, country.
fn postal(entry: &VCardEntry) -> Option<String> {
    let part = |n: usize| {
        let text = entry.values.get(n).and_then(shown)?;
        (!text.is_empty()).then_some(text)
    };
    let joined = |parts: &[usize]| {
        let parts: Vec<String> = parts.iter().filter_map(|n| part(*n)).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    let lines = [part(0), part(1), part(2), joined(&[5, 3]), part(4), part(6)];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn place(entry: &VCardEntry) -> Option<(f64, f64)> {
    let numbers: Vec<f64> = entry
        .values
        .iter()
        .filter_map(VCardValue::as_float)
        .collect();
    match numbers.as_slice() {
        [lat, lon] => fits(*lat, *lon),
        _ => None,
    }
}

fn geo(text: &str) -> Option<(f64, f64)> {
    let text = text.strip_prefix("geo:").unwrap_or(text);
    let (lat, rest) = text.split_once([',', ';'])?;
    let lon = rest.split([',', ';']).next()?;
    fits(lat.trim().parse().ok()?, lon.trim().parse().ok()?)
}

fn fits(lat: f64, lon: f64) -> Option<(f64, f64)> {
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some((lat, lon))
}
