//! The benchmark's side of an engine's process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::engines::Engine;
use crate::error::{Error, Result};
use crate::protocol::{Reply, Request};

/// What a process needs to start.
pub struct Setting<'a> {
    pub data: &'a Path,
    pub params: &'a Path,
    /// Where the JavaScript engine and its packages are.
    pub js: &'a Path,
}

/// A running engine. It is idle, waiting for a line, while others are measured.
pub struct Process {
    pub engine: Engine,
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Process {
    /// Starts an engine's process; its store goes under `directory`.
    pub fn start(engine: Engine, setting: &Setting<'_>, directory: &Path) -> Result<Self> {
        let mut command = if engine == Engine::Datascript {
            let mut node = Command::new("node");
            node.args(["--expose-gc", "--max-old-space-size=12000"])
                .arg(setting.js.join("datascript.mjs"));
            node
        } else {
            let mut this = Command::new(std::env::current_exe()?);
            this.args(["worker", engine.name(), "--directory"])
                .arg(directory);
            this
        };
        command
            .arg("--data")
            .arg(setting.data)
            .arg("--params")
            .arg(setting.params);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::engine(engine.name())(&format!("cannot be started: {error}"))
            })?;
        let gone = || Error::Gone {
            engine: engine.name(),
        };
        let requests = child.stdin.take().ok_or_else(gone)?;
        let replies = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        Ok(Self {
            engine,
            child,
            requests: Some(requests),
            replies,
        })
    }

    /// Says one thing and waits for the answer to it.
    pub fn ask(&mut self, request: &Request) -> Result<Reply> {
        let gone = || Error::Gone {
            engine: self.engine.name(),
        };
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.requests
            .as_mut()
            .ok_or_else(gone)?
            .write_all(line.as_bytes())?;
        line.clear();
        if self.replies.read_line(&mut line)? == 0 {
            return Err(gone());
        }
        match serde_json::from_str(&line)? {
            Reply::Failed(reason) => Err(Error::Engine {
                engine: self.engine.name(),
                reason,
            }),
            reply => Ok(reply),
        }
    }

    /// An answer of another kind than the request's.
    pub fn confused(&self) -> Error {
        Error::engine(self.engine.name())(&"answered something else than it was asked")
    }
}

impl Drop for Process {
    /// Closing its input ends the process; its files may go only after that.
    fn drop(&mut self) {
        drop(self.requests.take());
        // A process that failed has said so already.
        let _ = self.child.wait();
    }
}
