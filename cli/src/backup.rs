//! `rhizome backup` and `rhizome restore`.

use std::{fmt::Write as _, path::Path, sync::Arc};

use serde_json::{Value as Json, json};

use crate::{
    open::{Home, Opened},
    output::{Failure, Output},
};

/// What is wanted of backups.
pub struct Wanted<'w> {
    pub directory: Option<&'w Path>,
    pub hours: Option<u32>,
    pub verify: bool,
    pub off: bool,
    pub state: bool,
}

pub fn backup(home: &Home, wanted: &Wanted<'_>, output: &Output) -> Result<(), Failure> {
    let opened = home.open("backup")?;
    if wanted.off {
        let state = match &opened {
            Opened::Here(pod) => {
                pod.forget_backup()?;
                pod.backup_state()
            }
            Opened::There(client) => client.forget_backup()?,
        };
        return output.answer(&state, |_| {
            "No more backups by itself. What is in the folder stays.".into()
        });
    }
    if wanted.state {
        let state = match &opened {
            Opened::Here(pod) => pod.backup_state(),
            Opened::There(client) => client.backup_state()?,
        };
        return output.answer(&state, state_text);
    }
    let report = match opened {
        Opened::Here(pod) => {
            let pod = Arc::from(pod);
            rhizome_pod::backup(&pod, wanted.directory, wanted.hours, wanted.verify)?.to_json()
        }
        Opened::There(client) => client.backup(wanted.directory, wanted.hours, wanted.verify)?,
    };
    output.answer(&report, report_text)?;
    match report["verified"].as_array() {
        Some(findings) if !findings.is_empty() => Err(Failure::new(
            5,
            "damaged",
            "the backup is damaged: make another one in an empty folder",
        )),
        _ if report["complete"] == false => Err(Failure::new(
            1,
            "incomplete",
            "the backup does not hold everything yet: run this again",
        )),
        _ => Ok(()),
    }
}

// Writing to a string cannot fail: that is why the results of `write!` are dropped below.
fn report_text(report: &Json) -> String {
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let mut out = format!(
        "{}: {} commits and {} files, {} bytes; {} bytes were new",
        text("directory"),
        report["commits"],
        report["files"],
        report["bytes"],
        report["sent"]
    );
    if report["files_missing"] != json!(0) {
        let _ = write!(
            out,
            "\n{} files are not on this device: they are in it once they are here",
            report["files_missing"]
        );
    }
    for finding in report["verified"].as_array().into_iter().flatten() {
        let _ = write!(out, "\n{}", finding.as_str().unwrap_or_default());
    }
    if report["verified"] == json!([]) {
        out += "\nAll of it was read and is as it was written.";
    }
    out
}

fn state_text(state: &Json) -> String {
    let Some(directory) = state["directory"].as_str() else {
        return "There is no backup: rhizome backup DIR".into();
    };
    let every = match state["hours"].as_u64() {
        Some(hours) => format!("every {hours} hours while the pod is up"),
        None => "when it is asked for".into(),
    };
    let error = match state["error"].as_str() {
        Some(error) => format!("\nThe last one failed: {error}"),
        None => String::new(),
    };
    format!("{directory}, {every}{error}")
}

pub fn restore(home: &Home, directory: &Path, output: &Output) -> Result<(), Failure> {
    let words = crate::recovery::words(output, "Type the 24 words, then Enter and Ctrl-D:")?;
    let opening = home.opening("restore");
    let (pod, report) = rhizome_pod::restore(&home.pod, &opening, &words, directory)?;
    let answer = json!({ "did": pod.did(), "device": pod.device(), "sync": report.to_json() });
    output.answer(&answer, |a| {
        let sync = &a["sync"];
        format!(
            "{} is yours again, with {} commits and {} files; all other devices are out.",
            pod.did(),
            sync["received"],
            sync["files"]["fetched"]
        )
    })
}
