//! The database of a backup: one snapshot of the embedded one, or what pg_dump writes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use url::Url;

use super::{BackupError, DUMP_FILE, DatabaseKind, Manifest};
use crate::config::{Address, DatabaseConfig, DatabaseUrl};
use crate::database::{Connection, Reader, change_log, snapshot};

/// Writes a dump.
const PG_DUMP: &str = "pg_dump";

/// Reads it back.
const PG_RESTORE: &str = "pg_restore";

/// Lines of a program's complaint that are told.
const COMPLAINT_LINES: usize = 4;

/// The database that a backup is of.
pub(super) enum Origin {
    Sqlite(PathBuf),
    Postgres(DatabaseUrl),
}

impl Origin {
    pub(super) fn of(config: &DatabaseConfig) -> Result<Self, BackupError> {
        Ok(match config.address()? {
            Address::Sqlite(path) => Self::Sqlite(path),
            Address::Postgres(url) => {
                // Said before anything is begun.
                find(PG_DUMP)?;
                Self::Postgres(url)
            }
        })
    }

    pub(super) fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite(_) => DatabaseKind::Sqlite,
            Self::Postgres(_) => DatabaseKind::Postgresql,
        }
    }

    /// Writes the database into the backup, and gives a reader of exactly what was written, with the name
    /// of the file.
    ///
    /// With PostgreSQL nothing is written yet: the dump is made of the reader's snapshot, by
    /// [`Self::finish`], and until then the reader must not be idle for long.
    pub(super) async fn begin(
        &self,
        config: &DatabaseConfig,
        backup: &Path,
    ) -> Result<(Reader, &'static str), BackupError> {
        match self {
            Self::Sqlite(path) => {
                let target = backup.join(super::DATABASE_FILE);
                let (source, copy) = (path.clone(), target.clone());
                tokio::task::spawn_blocking(move || snapshot::copy_file(&source, &copy))
                    .await
                    .map_err(|error| BackupError::worker(&error))??;
                Ok((snapshot::open_file(&target).await?, super::DATABASE_FILE))
            }
            Self::Postgres(url) => {
                let reader = snapshot::open_postgres(url, config.connect_timeout()).await?;
                Ok((reader, DUMP_FILE))
            }
        }
    }

    /// Writes what [`Self::begin`] could not.
    pub(super) async fn finish(
        &self,
        connection: &mut Connection,
        backup: &Path,
    ) -> Result<(), BackupError> {
        let Self::Postgres(url) = self else {
            return Ok(());
        };
        let exported = snapshot::export(connection).await?;
        let (address, password) = without_password(url)?;
        let target = backup.join(DUMP_FILE);
        // Made by us, so that nobody else can read it at any moment.
        drop(super::copy::create(&target)?);
        run(PG_DUMP, move |command| {
            command
                .args([
                    "--format=custom",
                    "--no-owner",
                    "--no-privileges",
                    "--no-password",
                ])
                .arg(format!("--snapshot={exported}"))
                .arg("--file")
                .arg(&target)
                .arg(format!("--dbname={address}"));
            if let Some(password) = password {
                command.env("PGPASSWORD", password);
            }
        })
        .await
    }
}

/// Reads a dump back into an empty database.
pub(super) async fn restore(url: &DatabaseUrl, dump: PathBuf) -> Result<(), BackupError> {
    let (address, password) = without_password(url)?;
    run(PG_RESTORE, move |command| {
        command
            // All or nothing; what is there already makes it fail.
            .args([
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
            ])
            .arg("--no-password")
            .arg(format!("--dbname={address}"))
            .arg(&dump);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
    })
    .await
}

/// Whether a database is the one of a backup: it was restored, and whoever did it was ended before it could say so.
pub(super) async fn is_restored(
    url: &DatabaseUrl,
    config: &DatabaseConfig,
    manifest: &Manifest,
) -> bool {
    // An empty one has no log to be read.
    let Ok(mut reader) = snapshot::open_postgres(url, config.connect_timeout()).await else {
        return false;
    };
    change_log::verify_in(&mut reader)
        .await
        .is_ok_and(|log| (log.head.0, log.head_hash) == (manifest.serial, manifest.head_hash))
}

/// Makes sure that pg_restore is there.
pub(super) fn find_restore() -> Result<(), BackupError> {
    find(PG_RESTORE)
}

fn find(program: &'static str) -> Result<(), BackupError> {
    let tried = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tried {
        Ok(_) => Ok(()),
        Err(source) => Err(BackupError::NoProgram { program, source }),
    }
}

/// The address for other programs, whose arguments everybody can see, and the password apart from it.
fn without_password(url: &DatabaseUrl) -> Result<(String, Option<String>), BackupError> {
    let unusable = || BackupError::Mismatch(format!("`{url}` is no address that pg_dump takes"));
    let mut address = Url::parse(url.expose()).map_err(|_| unusable())?;
    let mut password = address
        .password()
        .map(|password| percent_decoded(password).ok_or_else(unusable))
        .transpose()?;
    address.set_password(None).map_err(|()| unusable())?;
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    address.set_query(None);
    for (name, value) in pairs {
        match name.as_str() {
            "password" => password = Some(value),
            // Of our driver alone.
            "statement-cache-capacity" => {}
            _ => {
                address.query_pairs_mut().append_pair(&name, &value);
            }
        }
    }
    Ok((address.to_string(), password))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

async fn run(
    program: &'static str,
    prepare: impl FnOnce(&mut Command) + Send + 'static,
) -> Result<(), BackupError> {
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        prepare(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
    })
    .await
    .map_err(|error| BackupError::worker(&error))?;
    let output = match output {
        Ok(output) => output,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NoProgram { program, source });
        }
        Err(source) => {
            return Err(BackupError::io("run", Path::new(program), source));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<&str> = complaint.lines().collect();
    lines.truncate(COMPLAINT_LINES);
    Err(BackupError::ProgramFailed {
        program,
        message: format!("{}: {}", output.status, lines.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_stands_among_the_arguments() {
        for (written, address, password) in [
            (
                "postgres://me:s%40e@db/x",
                "postgres://me@db/x",
                Some("s@e"),
            ),
            (
                "postgres://me@db:5433/x?password=s&sslmode=require",
                "postgres://me@db:5433/x?sslmode=require",
                Some("s"),
            ),
            ("postgresql://db/x", "postgresql://db/x", None),
        ] {
            let found = without_password(&DatabaseUrl::from(written)).unwrap();
            assert_eq!(found, (address.to_owned(), password.map(str::to_owned)));
        }
    }
}
