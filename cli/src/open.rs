use crate::{arguments::Arguments, output::Failure};
use rhizome_pod::{Client, Opening, Pod, PodError, PodHome};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long a command waits for another one that has the pod.
const PATIENCE: Duration = Duration::from_secs(10);

/// The home directory and how to open what is in it.
pub struct Home {
    pub pod: PodHome,
    passphrase: String,
}

/// A pod that this process opened, or the node that has it.
pub enum Opened {
    Here(Box<Pod>),
    There(Client),
}

impl Home {
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let directory = match &arguments.home {
            Some(d) => d.clone(),
            None => default_home()?,
        };
        let passphrase = std::env::var("RHIZOME_PASSPHRASE").unwrap_or_default();
        Ok(Self {
            pod: PodHome::at(directory),
            passphrase,
        })
    }

    pub fn opening(&self, what: &str) -> Opening {
        Opening {
            passphrase: self.passphrase.clone(),
            what: format!("rhizome {what}"),
        }
    }

    /// Opens a pod that nobody runs and makes its indexes anew.
    pub fn rebuild(&self) -> Result<Opened, Failure> {
        let pod = self.pod.rebuild(&self.opening("doctor --rebuild"))?;
        Ok(Opened::Here(Box::new(pod)))
    }

    /// Opens the pod, or finds the node that runs it. Waits for a command that is about to end.
    pub fn open(&self, what: &str) -> Result<Opened, Failure> {
        let start = Instant::now();
        loop {
            if let Some(client) = Client::connect(&self.pod) {
                return Ok(Opened::There(client));
            }
            match self.pod.open(&self.opening(what)) {
                Ok(pod) => return Ok(Opened::Here(Box::new(pod))),
                Err(PodError::InUse { .. }) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn default_home() -> Result<PathBuf, Failure> {
    directories::ProjectDirs::from("", "", "rhizome")
        .map(|d| d.data_dir().to_owned())
        .ok_or_else(|| {
            Failure::new(
                2,
                "home",
                "there is no home directory here: say where the pod lives with --home DIR",
            )
        })
}
