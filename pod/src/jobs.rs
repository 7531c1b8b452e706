//! Imports that the API started: they go on when the page that started them has gone.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;
use rhizome_import::{Cancel, Report, Stage};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{ImportOptions, Pod, PodError, http::error_json};

/// Jobs that are kept; the oldest that is not at work makes room.
const MAX_JOBS: usize = 32;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// The file is on its way.
    Receiving,
    /// A dry run is under way.
    Reading,
    /// The dry run is done: there is a report, and the job waits to be run.
    Ready,
    /// Writing.
    Importing,
    /// Done, with a report.
    Done,
    /// It ended before its end.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl JobState {
    fn works(self) -> bool {
        matches!(self, Self::Receiving | Self::Reading | Self::Importing)
    }
}

/// One import.
pub struct Job {
    id: String,
    number: u64,
    name: String,
    path: PathBuf,
    /// Where an upload is kept until the job is removed.
    upload: Option<PathBuf>,
    options: ImportOptions,
    now: Mutex<Now>,
    cancel: Cancel,
}

struct Now {
    state: JobState,
    phase: &'static str,
    done: u64,
    total: u64,
    records: u64,
    report: Option<Report>,
    error: Option<Json>,
}

impl Job {
    /// As the API shows it.
    pub fn to_json(&self) -> Json {
        let now = self.now.lock();
        json!({
            "job": self.id,
            "name": self.name,
            "state": now.state,
            "progress": {
                "phase": now.phase,
                "done": now.done,
                "total": (now.total > 0).then_some(now.total),
                "records": now.records,
            },
            "report": now.report,
            "error": now.error,
        })
    }

    /// What it is doing.
    pub fn state(&self) -> JobState {
        self.now.lock().state
    }

    /// Its name in addresses.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Moves it on to importing, if it is in one of these states: of two callers one wins.
    pub fn claim(&self, from: &[JobState]) -> bool {
        let mut now = self.now.lock();
        let claimed = from.contains(&now.state);
        if claimed {
            now.state = JobState::Importing;
            now.error = None;
        }
        claimed
    }

    /// Where an upload goes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn enter(&self, state: JobState) {
        let mut now = self.now.lock();
        (now.state, now.phase, now.done, now.total, now.records) = (state, "", 0, 0, 0);
    }

    /// Ends it with an error.
    pub fn fail(&self, error: &PodError) {
        let mut now = self.now.lock();
        now.state = if error.code() == "cancelled" {
            JobState::Cancelled
        } else {
            JobState::Failed
        };
        now.error = Some(error_json(error));
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            let _ = fs::remove_dir_all(upload);
        }
    }
}

/// All imports of a running node.
pub struct Jobs {
    pod: Arc<Pod>,
    by_id: Mutex<HashMap<String, Arc<Job>>>,
    made: Mutex<u64>,
}

impl Jobs {
    /// None yet. Uploads that an earlier run left are removed.
    pub fn new(pod: Arc<Pod>) -> Self {
        let _ = fs::remove_dir_all(pod.home().incoming());
        Self {
            pod,
            by_id: Mutex::default(),
            made: Mutex::new(0),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_id.lock().len()
    }

    /// A job about a path on this machine.
    pub fn of_path(&self, path: &str, options: ImportOptions) -> Result<Arc<Job>, PodError> {
        let path = expand_home(path);
        let name = path.display().to_string();
        self.make(name, path, None, options, JobState::Reading)
    }

    /// A job about a file that is going to be uploaded to [`Job::path`].
    pub fn of_upload(&self, name: &str, options: ImportOptions) -> Result<Arc<Job>, PodError> {
        let id = new_id()?;
        let folder = self.pod.home().incoming().join(&id);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&folder)
            .map_err(|e| PodError::file(&folder, e))?;
        let file = plain_name(name);
        self.make(
            file.clone(),
            folder.join(file),
            Some(folder),
            options,
            JobState::Receiving,
        )
    }

    fn make(
        &self,
        name: String,
        path: PathBuf,
        upload: Option<PathBuf>,
        options: ImportOptions,
        state: JobState,
    ) -> Result<Arc<Job>, PodError> {
        let id = new_id()?;
        let number = {
            let mut made = self.made.lock();
            *made += 1;
            *made
        };
        let job = Arc::new(Job {
            id: id.clone(),
            number,
            name,
            path,
            upload,
            options,
            now: Mutex::new(Now {
                state,
                phase: "",
                done: 0,
                total: 0,
                records: 0,
                report: None,
                error: None,
            }),
            cancel: Cancel::new(),
        });
        let mut jobs = self.by_id.lock();
        if jobs.len() >= MAX_JOBS {
            let oldest = jobs
                .values()
                .filter(|j| !j.state().works())
                .min_by_key(|j| j.number)
                .map(|j| j.id.clone());
            match oldest {
                Some(oldest) => jobs.remove(&oldest),
                None => {
                    return Err(PodError::Request(format!(
                        "{MAX_JOBS} imports are under way: wait for one"
                    )));
                }
            };
        }
        jobs.insert(id, Arc::clone(&job));
        Ok(job)
    }

    /// The job of an id.
    pub fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.by_id.lock().get(id).cloned()
    }

    /// Stops a job and forgets it, with its upload.
    pub fn remove(&self, id: &str) -> Option<Arc<Job>> {
        let job = self.by_id.lock().remove(id)?;
        job.cancel.cancel();
        Some(job)
    }

    /// Stops everything: the node closes.
    pub fn stop_all(&self) {
        for job in self.by_id.lock().values() {
            job.cancel.cancel();
        }
    }

    /// Works on a job on a thread of its own: a dry run that ends in `ready`, or the import.
    pub fn work(&self, job: &Arc<Job>, dry_run: bool) -> Result<(), PodError> {
        job.enter(if dry_run {
            JobState::Reading
        } else {
            JobState::Importing
        });
        let (pod, job) = (Arc::clone(&self.pod), Arc::clone(job));
        let work = move || {
            let options = ImportOptions {
                dry_run,
                ..job.options.clone()
            };
            let mut progress = |p: rhizome_import::Progress<'_>| {
                let mut now = job.now.lock();
                (now.phase, now.done, now.total, now.records) =
                    (words(p.stage), p.done, p.total, p.records);
            };
            match pod.import(&job.path, &options, &mut progress, &job.cancel) {
                Ok(report) => {
                    let mut now = job.now.lock();
                    now.report = Some(report);
                    now.state = if dry_run {
                        JobState::Ready
                    } else {
                        JobState::Done
                    };
                }
                Err(failed) => {
                    job.now.lock().report = failed.report.map(|r| *r);
                    job.fail(&failed.error);
                }
            }
        };
        thread::Builder::new()
            .name("import".into())
            .spawn(work)
            .map_err(|error| PodError::file(Path::new("a thread for the import"), error))?;
        Ok(())
    }
}

fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Hashing => "Reading the whole export once",
        Stage::Reading => "Reading records",
        Stage::Files => "Keeping pictures and files",
        Stage::Finishing => "Finishing",
    }
}

fn new_id() -> Result<String, PodError> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&bytes))
}

/// The last part of a name from outside, without anything that means something to a file system.
pub(crate) fn plain_name(name: &str) -> String {
    // file systems count bytes: none takes more than 255 of them
    const MOST: usize = 200;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut plain = String::new();
    for c in last.chars() {
        if plain.len() + c.len_utf8() > MOST {
            break;
        }
        if !c.is_control() && !"<>:\"|?*".contains(c) {
            plain.push(c);
        }
    }
    let plain = plain.trim_matches(['.', ' ']).to_owned();
    if plain.is_empty() {
        "upload".to_owned()
    } else {
        plain
    }
}

/// `~/x` as a shell reads it: people type it into the page as well.
fn expand_home(path: &str) -> PathBuf {
    match path.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        Some((rest, home)) => Path::new(&home).join(rest),
        None => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_names() {
        for (from, to) in [
            ("archive.zip", "archive.zip"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\x.csv", "x.csv"),
            ("..", "upload"),
            ("", "upload"),
            ("a\0b\n.zip", "ab.zip"),
            (".hidden.json", "hidden.json"),
        ] {
            assert_eq!(plain_name(from), to);
        }
        assert_eq!(plain_name(&"é".repeat(1000)), "é".repeat(100));
        assert_eq!(plain_name(&"🌱".repeat(1000)).len(), 200);
    }
}
