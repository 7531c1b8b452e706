//! The formats of other programs: what they hold is what their importers read back.

use crate::pod::Pod;
use rhizome_export::Format;
use rhizome_import::fixture;
use serde_json::Value as Json;

/// What a pod says of entities that have an attribute of `prefix`, whatever they are called: their facts, with references and provenance left out.
fn said(pod: &Pod, prefix: &str, leave_out: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for line in pod.lines().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let Some(facts) = line["facts"].as_object() else {
            continue;
        };
        let mut kept = serde_json::Map::new();
        for (name, value) in facts.iter().filter(|(name, _)| name.starts_with(prefix)) {
            let text = value.to_string();
            if !text.contains("\"ref\"") && !leave_out.contains(&name.as_str()) {
                kept.insert(name.clone(), value.clone());
            }
        }
        if !kept.is_empty() {
            out.push(Json::Object(kept).to_string());
        }
    }
    out.sort();
    out
}

fn there_and_back(from: &Pod, format: Format, name: &str) -> Pod {
    let (bytes, exported) = from.export(format);
    assert_eq!(exported.missing_total, 0);
    assert!(exported.entities > 0);
    let mut to = Pod::new("did:key:zSecond");
    let path = to.put(name, &bytes);
    let report = to.import(&path);
    assert!(report.complete, "{:?}", report.problems);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    to
}

#[test]
fn posts_are_an_archive_that_can_be_imported() {
    let mut pod = Pod::new("did:key:zFirst");
    let archive = pod.folder.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    fixture::write_folder(&fixture::mastodon(), &archive).unwrap();
    pod.import(&archive);
    let (bytes, exported) = pod.export(Format::ActivityStreams);
    assert!(exported.entities > 0 && exported.files > 0);
    let mut other = Pod::new("did:key:zSecond");
    let path = other.put("archive.zip", &bytes);
    let report = other.import(&path);
    assert_eq!(report.recognised.as_ref().unwrap().importer, "mastodon");
    assert!(report.complete, "{:?}", report.problems);
    // who may see what is the same, above all
    let audiences = |pod: &Pod| {
        let mut all: Vec<(String, String)> = Vec::new();
        for line in pod.lines().lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            let facts = &line["facts"];
            let is_post = matches!(
                facts["social/type"].as_str(),
                Some("post" | "reply" | "boost")
            );
            if is_post {
                let url = facts["social/url"]
                    .as_str()
                    .or(facts["social/boost-of-url"].as_str());
                let text = facts["social/text"].as_str().unwrap_or_default();
                let who = facts["social/audience"].as_str().unwrap();
                all.push((format!("{url:?} {text}"), who.to_owned()));
            }
        }
        all.sort();
        all
    };
    assert!(audiences(&pod).iter().any(|(_, who)| who == "direct"));
    assert_eq!(audiences(&other), audiences(&pod));
}

#[test]
fn posts_of_several_accounts_come_back() {
    let mut pod = Pod::new("did:key:zFirst");
    let archive = pod.folder.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    fixture::write_folder(&fixture::mastodon(), &archive).unwrap();
    pod.import(&archive);
    let tweets = pod.folder.path().join("tweets");
    let script = |name: &str, value: &str| {
        let script = format!("window.YTD.{}.part0 = {value}", name.replace('-', "_"));
        (format!("data/{name}.js"), script.into_bytes())
    };
    let files = [
        script(
            "account",
            r#"[{"account":{"accountId":"7","username":"ada","accountDisplayName":"Ada"}}]"#,
        ),
        script("protected-history", "[]"),
        script(
            "tweets",
            r#"[{"tweet":{"id_str":"1","full_text":"one & two","created_at":"Wed Jan 01 00:00:00 +0000 2020"}},
            {"tweet":{"id_str":"2","full_text":"an answer","created_at":"Wed Jan 01 00:00:00 +0000 2020","in_reply_to_status_id_str":"1"}}]"#,
        ),
    ];
    fixture::write_folder(&files, &tweets).unwrap();
    let report = pod.import(&tweets);
    assert_eq!(report.kinds["post"].added, 1);
    let (bytes, _) = pod.export(Format::ActivityStreams);
    let mut other = Pod::new("did:key:zSecond");
    let path = other.put("archive.zip", &bytes);
    let report = other.import(&path);
    assert!(report.complete, "{:?}", report.problems);
    let posts = |pod: &Pod| {
        let attributes = [
            "social/text",
            "social/type",
            "social/created",
            "social/audience",
            "social/name",
        ];
        let all = said(pod, "social/", &[]).into_iter();
        let mut all: Vec<String> = all
            .filter_map(|line| {
                let line: Json = serde_json::from_str(&line).unwrap();
                let kind = line["social/type"].as_str()?;
                let wanted = ["post", "reply", "boost", "profile"].contains(&kind);
                let parts = attributes.map(|name| line[name].to_string());
                wanted.then(|| parts.join(" "))
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(posts(&other), posts(&pod));
    assert!(posts(&other).iter().any(|line| line.contains("one & two")));
}

const CARDS: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:ada\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;King;Countess;\r\n\
EMAIL:ada@example.org\r\nEMAIL:second@example.org\r\nTEL:+44 1\r\nORG:Analytical; Engines\r\nTITLE:Mathematician\r\n\
BDAY:18151210\r\nNOTE:Wrote\\, first of all\\;\\nprograms.\r\nCATEGORIES:friends,history\r\nURL:https://example.org/ada\r\n\
PHOTO:data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\r\n\
REV:20240102T030405Z\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nFN:Only a name, and more\r\nEND:VCARD\r\n";

#[test]
fn contacts_come_back_from_their_cards() {
    let mut pod = Pod::new("did:key:zFirst");
    let path = pod.put("people.vcf", CARDS.as_bytes());
    assert_eq!(pod.import(&path).added, 2);
    let other = there_and_back(&pod, Format::VCard, "contacts.vcf");
    // one that had no name of its own has got one
    let leave_out = ["contact/uid"];
    assert_eq!(
        said(&other, "contact/", &leave_out),
        said(&pod, "contact/", &leave_out)
    );
}

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n\
BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20240101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20240301T090000\r\nDTEND;TZID=Europe/Berlin:20240301T100000\r\n\
RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20240308T090000\r\nSUMMARY:Stand-up\\, short\r\nLOCATION:Room 1\r\nCATEGORIES:work,team\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20240101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Berlin:20240315T090000\r\nDTSTART;TZID=Europe/Berlin:20240315T110000\r\nSUMMARY:Later\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:2\r\nDTSTAMP:20240101T000000Z\r\nDTSTART;VALUE=DATE:20240501\r\nDTEND;VALUE=DATE:20240502\r\nSUMMARY:Holiday\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\n\
BEGIN:VTODO\r\nUID:3\r\nDTSTAMP:20240101T000000Z\r\nDUE:20240601T120000Z\r\nSUMMARY:Taxes\r\nPERCENT-COMPLETE:40\r\nEND:VTODO\r\n\
END:VCALENDAR\r\n";

#[test]
fn events_come_back_from_their_calendar() {
    let mut pod = Pod::new("did:key:zFirst");
    let path = pod.put("all.ics", CALENDAR.as_bytes());
    assert!(pod.import(&path).added >= 4);
    let other = there_and_back(&pod, Format::ICalendar, "calendar.ics");
    let entries = |pod: &Pod| {
        let all = said(pod, "calendar/", &[]);
        let is_entry = |line: &String| !line.contains("\"calendar/type\":\"calendar\"");
        all.into_iter().filter(is_entry).collect::<Vec<_>>()
    };
    assert_eq!(entries(&other), entries(&pod));
}
