//! `rhizome export`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use rhizome_pod::{ExportFormat, Pod, PodError};
use serde_json::{Value as Json, json};

use crate::{
    commands::bar,
    open::{Home, Opened},
    output::{Failure, Output},
};

/// Writes everything to a file, or to standard output. A file appears under its name once it is whole.
pub fn export(
    home: &Home,
    format: Option<&str>,
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let format = match format {
        Some(name) => name.parse().map_err(PodError::from)?,
        None => by_name(out),
    };
    let opened = home.open("export")?;
    let exported = if out == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = write(&opened, format, &mut out, output)?;
        out.flush()
            .map_err(|error| not_written(Path::new("-"), &error))?;
        exported
    } else {
        let partial = Partial::beside(out)?;
        let mut file = BufWriter::new(&partial.file);
        let exported = write(&opened, format, &mut file, output)?;
        file.flush().map_err(|error| not_written(out, &error))?;
        drop(file);
        partial.finish(out)?;
        exported
    };
    let mut answer = json!({ "out": out, "format": format, "exported": exported });
    if out == Path::new("-") {
        if !output.json {
            output.remark(&words(&answer));
        }
        return Ok(());
    }
    answer["bytes"] = fs::metadata(out).map_or(Json::Null, |m| m.len().into());
    output.answer(&answer, words)
}

/// What the name of the file says; else everything.
fn by_name(out: &Path) -> ExportFormat {
    let extension = out.extension().and_then(|e| e.to_str());
    ExportFormat::ALL
        .into_iter()
        .find(|format| Some(format.extension()) == extension)
        .unwrap_or(ExportFormat::Car)
}

fn write(
    opened: &Opened,
    format: ExportFormat,
    out: &mut dyn Write,
    output: &Output,
) -> Result<Json, Failure> {
    match opened {
        Opened::Here(pod) => here(pod, format, out, output),
        Opened::There(client) => Ok(client.export(format, out)?),
    }
}

fn here(
    pod: &Pod,
    format: ExportFormat,
    out: &mut dyn Write,
    output: &Output,
) -> Result<Json, Failure> {
    let bar = bar(output, false);
    let exported = pod.export(format, out, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        Ok(())
    });
    bar.finish_and_clear();
    Ok(json!(exported?))
}

// Writing to a string cannot fail: that is why the result of `write!` is dropped below.
fn words(answer: &Json) -> String {
    let exported = &answer["exported"];
    let n = |name: &str| exported[name].as_u64().unwrap_or(0);
    let mut text = format!(
        "{} entities with {} values, {} files with {} bytes",
        n("entities"),
        n("facts"),
        n("files"),
        n("file_bytes")
    );
    if let Some(out) = answer["out"].as_str() {
        text = format!("{out}: {text}");
    }
    let missing = n("missing_total");
    if missing > 0 {
        let _ = write!(
            text,
            "\n{missing} files are named whose bytes are not on this device: sync with the device or peer that has them, and export again"
        );
    }
    if answer["format"] == json!("jsonl") && n("files") > 0 {
        text.push_str("\nJSON lines hold no files: --format car or zip does");
    }
    text
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{} cannot be written: {error}", path.display());
    Failure::new(1, "file", message)
}

/// A file on its way, removed unless it comes to its end.
struct Partial {
    path: PathBuf,
    file: File,
    whole: bool,
}

impl Partial {
    fn beside(out: &Path) -> Result<Self, Failure> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = out.with_file_name(name);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            // it holds all that a person has
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options
            .open(&path)
            .map_err(|error| not_written(&path, &error))?;
        Ok(Self {
            path,
            file,
            whole: false,
        })
    }

    fn finish(mut self, out: &Path) -> Result<(), Failure> {
        let done = self.file.sync_all();
        done.and_then(|()| fs::rename(&self.path, out))
            .map_err(|error| not_written(out, &error))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.whole {
            // it is no export, and nothing can be done if it stays
            let _ = fs::remove_file(&self.path);
        }
    }
}
