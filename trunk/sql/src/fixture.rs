//! A PostgreSQL server of one's own in a temporary folder, for tests. It listens on a socket in that folder only.

use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::SqlError;

/// How long a server may take to start, also after it was killed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with this value.
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    running: Option<Child>,
}

fn failed(why: impl std::fmt::Display) -> SqlError {
    SqlError::Fixture(format!("the PostgreSQL server for this test: {why}"))
}

/// Where the newest installed server's programs are.
fn programs() -> Option<PathBuf> {
    let mut all: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("postgres")
                .exists()
                .then_some((version, programs))
        })
        .collect();
    all.sort();
    all.pop().map(|(_, programs)| programs)
}

/// A server does not run as root: the account that its package made does.
fn owner() -> Result<Option<(u32, u32)>, SqlError> {
    if fs::metadata("/proc/self").map_err(failed)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(failed)?;
    let account = accounts.lines().find_map(|line| {
        let mut parts = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    account
        .map(Some)
        .ok_or_else(|| failed("there is no account `postgres`"))
}

impl Server {
    /// Starts one, if PostgreSQL is installed. On a machine that builds for everybody (`CI` is set) it has to be.
    pub fn start() -> Result<Option<Self>, SqlError> {
        let Some(programs) = programs() else {
            if std::env::var_os("CI").is_some() {
                return Err(failed(
                    "the package postgresql is missing: scripts/setup test",
                ));
            }
            let _ = writeln!(
                std::io::stderr(),
                "skipped: the package postgresql is not installed"
            );
            return Ok(None);
        };
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .map_err(failed)?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).map_err(failed)?;
        }
        // whoever runs the test connects, also if the server is another account's
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let mut server = Self {
            folder,
            programs,
            owner,
            running: None,
        };
        let made = server
            .command("initdb")
            .args([
                "-A",
                "trust",
                "-U",
                "rhizome",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(server.data())
            .stdout(Stdio::null())
            .output()
            .map_err(failed)?;
        if !made.status.success() {
            return Err(failed(String::from_utf8_lossy(&made.stderr)));
        }
        server.run()?;
        Ok(Some(server))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it again after [`Self::kill`], and waits until it answers.
    pub fn run(&mut self) -> Result<(), SqlError> {
        let start = Instant::now();
        loop {
            if self.running.is_none() {
                let log = fs::File::create(self.log()).map_err(failed)?;
                let child = self
                    .command("postgres")
                    .arg("-D")
                    .arg(self.data())
                    .arg("-k")
                    .arg(self.folder.path())
                    .args(["-c", "listen_addresses="])
                    .stdout(Stdio::null())
                    .stderr(log)
                    .spawn()
                    .map_err(failed)?;
                self.running = Some(child);
            }
            if self.connect().is_ok() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(failed(fs::read_to_string(self.log()).unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(50));
            // what is left of one that was killed may still be going away
            if let Some(child) = &mut self.running
                && child.try_wait().map_err(failed)?.is_some()
            {
                self.running = None;
            }
        }
    }

    /// Kills it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where it is, as [`crate::Target`] reads it.
    pub fn address(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://rhizome@{folder}/postgres")
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// A connection of one's own.
    pub fn connect(&self) -> Result<postgres::Client, SqlError> {
        Ok(postgres::Client::connect(&self.address(), postgres::NoTls)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
