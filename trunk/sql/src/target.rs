use std::{fmt, path::PathBuf, str::FromStr};

use postgres::config::{Host, SslMode};

use crate::SqlError;

/// Where the table is.
#[derive(Clone)]
pub enum Target {
    /// A SQLite file; it is made if there is none.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<postgres::Config>),
}

impl FromStr for Target {
    type Err = SqlError;

    /// `sqlite:FILE`, or an address of PostgreSQL as its own tools take it.
    fn from_str(text: &str) -> Result<Self, SqlError> {
        // an address may hold a password: it is not repeated
        let hidden = || SqlError::Target(text.split(':').next().unwrap_or_default().to_owned());
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            return match file {
                "" => Err(hidden()),
                file => Ok(Self::Sqlite(PathBuf::from(file))),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(hidden());
        }
        let mut config: postgres::Config = text.parse().map_err(|_| hidden())?;
        if !in_reach(&config) && config.get_ssl_mode() != SslMode::Disable {
            return Err(SqlError::InTheClear);
        }
        config.application_name("rhizome");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(std::time::Duration::from_secs(10));
        }
        Ok(Self::Postgres(Box::new(config)))
    }
}

/// Whether what is sent there stays on this machine.
fn in_reach(config: &postgres::Config) -> bool {
    let by_address = !config.get_hostaddrs().is_empty();
    if by_address {
        return config
            .get_hostaddrs()
            .iter()
            .all(std::net::IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Target {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(config) => {
                write!(
                    f,
                    "postgres database {}",
                    config.get_dbname().unwrap_or("of the user's name")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for text in [
            "sqlite:a.db",
            "sqlite:///tmp/a.db",
            "postgres://ada@localhost/data",
            "postgresql://ada@127.0.0.1:5433/data",
            "postgres://ada@%2Fvar%2Frun/data",
            "postgres://ada@db.example/data?sslmode=disable",
        ] {
            assert!(text.parse::<Target>().is_ok(), "{text}");
        }
        for text in [
            "",
            "sqlite:",
            "mysql://x/y",
            "postgres://ada@localhost:port/",
        ] {
            assert!(
                matches!(text.parse::<Target>(), Err(SqlError::Target(_))),
                "{text}"
            );
        }
        let elsewhere = "postgres://ada@db.example/data".parse::<Target>();
        assert!(matches!(elsewhere, Err(SqlError::InTheClear)));
    }

    #[test]
    fn a_password_is_not_repeated() {
        let target: Target = "postgres://ada:secret@localhost/data".parse().unwrap();
        assert!(!format!("{target} {target:?}").contains("secret"));
        let wrong = "postgres//ada:secret@localhost/data"
            .parse::<Target>()
            .unwrap_err();
        assert!(!wrong.to_string().contains("secret"));
    }
}
