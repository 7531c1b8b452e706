//! Runs the real binary.

use serde_json::Value as Json;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

pub struct Shell {
    pub dir: TempDir,
}

pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// The answer as JSON; the command must have succeeded.
    pub fn json(&self) -> Json {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
    /// The code of the error as JSON.
    pub fn error(&self) -> Json {
        assert_ne!(self.code, 0, "{}", self.out);
        let json: Json =
            serde_json::from_str(&self.err).unwrap_or_else(|e| panic!("{e}: {}", self.err));
        json["error"].clone()
    }
}

impl Shell {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A shell with a pod.
    pub fn with_pod() -> Self {
        let shell = Self::new();
        shell.init();
        shell
    }

    /// Makes the pod, and gives its recovery words.
    pub fn init(&self) -> String {
        words(&self.run(&["init"]).json()["recovery_words"])
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A path beside the pod's home.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhizome"));
        command
            .arg("--home")
            .arg(self.home())
            .arg("--json")
            .env_remove("RHIZOME_HOME")
            .env_remove("RHIZOME_PASSPHRASE");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // a command that does not read its input may be gone already
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        Answer {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn tx(&self, changes: &Json) -> Answer {
        self.run_with(&["tx", "-"], &changes.to_string())
    }

    pub fn query(&self, q: &str) -> Json {
        self.run(&["query", q]).json()
    }

    pub fn import(&self, path: &Path) -> Json {
        self.run(&["import", path.to_str().unwrap()]).json()
    }

    /// What an export in JSON lines says of entities.
    pub fn said(&self) -> String {
        let out = self.path("all.jsonl");
        self.run(&["export", "--out", &out]).json();
        let text = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    }

    /// Starts `rhizome up` and waits until it is ready.
    pub fn up(&self) -> Up {
        let mut child = self
            .command()
            .args(["up", "--listen", "127.0.0.1:0", "--no-open"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Up {
            child,
            ready: serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}")),
        }
    }
}

/// Words of an answer, as they are written down.
pub fn words(answer: &Json) -> String {
    let list = answer.as_array().unwrap().iter();
    list.map(|w| w.as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

pub struct Up {
    child: Child,
    pub ready: Json,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
