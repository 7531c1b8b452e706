//! When a node makes backups by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{Backup, check_place, holds_one, run};
use crate::{
    Pod, PodError, PodNode,
    home::{now_ms, replace_file},
};

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(30);
/// Until it is tried again after one that failed.
const AGAIN_MS: i64 = 600_000;
const HOUR_MS: i64 = 3_600_000;
/// Hours between two: a year.
const MOST_HOURS: u32 = 8_784;

/// What is remembered, as `backup.json` in the pod's directory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Plan {
    directory: PathBuf,
    /// Hours between two; none: only when it is asked for.
    hours: Option<u32>,
    /// When the last one came to its end.
    last_ms: Option<i64>,
    /// When one was tried last.
    tried_ms: Option<i64>,
    /// Why that failed, if it did.
    error: Option<String>,
    /// What the last one was.
    report: Option<Json>,
}

impl Plan {
    fn is_due(&self, now: i64) -> bool {
        let Some(hours) = self.hours else {
            return false;
        };
        let since = |at: Option<i64>, wait: i64| {
            // a clock that was set back makes nothing wait for years
            at.is_none_or(|at| now < at || now - at >= wait)
        };
        since(self.last_ms, i64::from(hours) * HOUR_MS)
            && (self.error.is_none() || since(self.tried_ms, AGAIN_MS))
    }
}

/// The backups of a pod, one at a time.
pub(crate) struct Backups {
    file: PathBuf,
    one: tokio::sync::Mutex<()>,
}

impl Backups {
    pub fn of(pod: &Pod) -> Self {
        Self {
            file: pod.home().directory().join("backup.json"),
            one: tokio::sync::Mutex::default(),
        }
    }

    fn plan(&self) -> Option<Plan> {
        let bytes = fs::read(&self.file).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// What goes with the pod is no backup of it.
    fn check_outside(&self, directory: &Path) -> Result<(), PodError> {
        let home = self.file.parent().and_then(|home| home.canonicalize().ok());
        let there = directory.ancestors().find_map(|at| at.canonicalize().ok());
        if home
            .zip(there)
            .is_some_and(|(home, there)| there.starts_with(home))
        {
            return Err(PodError::Request(format!(
                "{}: this is in the folder of the pod itself: give the backup another one, best on another disk",
                directory.display()
            )));
        }
        Ok(())
    }

    fn save(&self, plan: &Plan) -> Result<(), PodError> {
        let text = serde_json::to_vec(plan)
            .map_err(|error| PodError::file(&self.file, std::io::Error::other(error)))?;
        replace_file(&self.file, &text)
    }

    /// Where and how often, and how the last one went.
    pub fn state(&self) -> Json {
        let plan = self.plan();
        let running = self.one.try_lock().is_err();
        match plan {
            None => json!({ "directory": null, "running": running }),
            Some(plan) => json!({
                "directory": plan.directory,
                "hours": plan.hours,
                "last_ms": plan.last_ms,
                "error": plan.error,
                "report": plan.report,
                "running": running,
            }),
        }
    }

    /// Says where, and how often if at all; what is not said stays as it was.
    pub fn set(&self, directory: Option<&Path>, hours: Option<u32>) -> Result<(), PodError> {
        let mut plan = self.plan().unwrap_or_default();
        if let Some(directory) = directory {
            let whole =
                std::path::absolute(directory).map_err(|error| PodError::file(directory, error))?;
            check_place(&whole)?;
            self.check_outside(&whole)?;
            if whole != plan.directory {
                plan = Plan {
                    directory: whole,
                    hours: plan.hours,
                    ..Plan::default()
                };
            }
        }
        if plan.directory.as_os_str().is_empty() {
            return Err(PodError::Request(
                "say where the backup is to be: there was none before".into(),
            ));
        }
        if let Some(hours) = hours {
            if hours > MOST_HOURS {
                return Err(PodError::Request(format!(
                    "at most {MOST_HOURS} hours lie between two backups"
                )));
            }
            plan.hours = (hours > 0).then_some(hours);
        }
        self.save(&plan)
    }

    /// Makes none any more by itself. What is in the folder stays.
    pub fn forget(&self) -> Result<(), PodError> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(PodError::file(&self.file, error))
            }
            _ => Ok(()),
        }
    }

    /// Notes how one went, and gives it back.
    pub fn note(&self, done: Result<Backup, PodError>) -> Result<Backup, PodError> {
        if let Some(mut plan) = self.plan() {
            let now = now_ms();
            plan.tried_ms = Some(now);
            match &done {
                Ok(backup) => {
                    plan.last_ms = Some(now);
                    plan.error = None;
                    plan.report = Some(backup.to_json());
                }
                Err(error) => plan.error = Some(error.to_string()),
            }
            self.save(&plan)?;
        }
        done
    }

    /// Where the backup is.
    pub fn place(&self) -> Result<PathBuf, PodError> {
        self.plan()
            .map(|plan| plan.directory)
            .ok_or_else(|| PodError::Request("say where the backup is to be".into()))
    }

    /// Makes one now.
    pub async fn run(&self, node: &PodNode, verify: bool) -> Result<Backup, PodError> {
        let directory = self.place()?;
        let _one = self.one.lock().await;
        self.note(run(node, &directory, verify).await)
    }

    /// Makes them whenever they are due.
    pub async fn keep(&self, node: &PodNode) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(plan) = self.plan().filter(|plan| plan.is_due(now_ms())) else {
                continue;
            };
            // a disk that is not there is not made as a folder in its place
            let done = if plan.last_ms.is_some() && !holds_one(&plan.directory) {
                self.note(Err(PodError::Request(format!(
                    "{}: the backup is not there: is its disk connected?",
                    plan.directory.display()
                ))))
            } else {
                self.run(node, false).await
            };
            match done {
                Ok(backup) => {
                    tracing::info!(
                        sent = backup.sent,
                        took_ms = backup.took_ms,
                        "a backup was made"
                    );
                }
                Err(error) => tracing::warn!(%error, "the backup failed; it is tried again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_when_its_time_has_come() {
        let plan = |hours, last_ms, tried_ms, error: Option<&str>| Plan {
            hours,
            last_ms,
            tried_ms,
            error: error.map(str::to_owned),
            ..Plan::default()
        };
        let now = 1_700_000_000_000;
        for (due, what) in [
            (false, plan(None, None, None, None)),
            (true, plan(Some(1), None, None, None)),
            (false, plan(Some(1), Some(now - HOUR_MS + 1), None, None)),
            (true, plan(Some(1), Some(now - HOUR_MS), None, None)),
            // the clock was set back
            (true, plan(Some(1), Some(now + 1), None, None)),
            // it failed a moment ago, and a while ago
            (false, plan(Some(1), None, Some(now - 1), Some("full"))),
            (
                true,
                plan(Some(1), None, Some(now - AGAIN_MS), Some("full")),
            ),
        ] {
            assert_eq!(what.is_due(now), due, "{what:?}");
        }
    }
}
