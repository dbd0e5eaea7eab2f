//! `devpi-gen-secret`, and devpi's checks of a secret file.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reading::Options;
use super::stop::Stop;
use super::translate::expanded;
use crate::failure::Failure;
use crate::output;

/// Bytes of randomness in a new secret.
const SECRET_BYTES: usize = 32;

/// Fewer bytes than this are too few.
const SHORTEST: usize = 32;

/// Fewer different bytes than this repeat too much.
const FEWEST_DIFFERENT: usize = 6;

/// More than this is no secret but some other file.
const LONGEST: u64 = 1 << 20;

const ANY_OF_GROUP: u32 = 0o070;
const ANY_OF_OTHERS: u32 = 0o007;
const WRITE_OF_GROUP: u32 = 0o020;
const WRITE_OF_OTHERS: u32 = 0o002;

/// Writes a new secret into the file that is named, or checks the one that is there.
pub(super) fn generate(options: &Options) -> Result<(), Stop> {
    let path = options
        .text("secretfile")
        .filter(|path| !path.is_empty())
        .ok_or_else(|| Stop::fatal("You need to provide a location for the secret file."))?;
    let path = expanded(path, &options.surroundings);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match created {
        Ok(mut file) => {
            let written = new_secret().and_then(|secret| {
                file.write_all(secret.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| cannot_write(&path, &error))
            });
            if written.is_err() {
                // Half a secret would be found, and refused, by the next run.
                let _ = std::fs::remove_file(&path);
            }
            written?;
            output::data(&format!("New secret written to '{}'", path.display()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            output::data(&format!("Checking existing secret at '{}'", path.display()));
        }
        Err(error) => return Err(cannot_write(&path, &error).into()),
    }
    check(&path)?;
    output::data("Permissions of secret file look good.");
    Ok(())
}

/// What devpi-server demands of a secret file.
pub(super) fn check(path: &Path) -> Result<(), Stop> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        _ => return Err(Stop::fatal("The given secret file doesn't exist.")),
    };
    let mode = metadata.permissions().mode();
    if mode & ANY_OF_OTHERS != 0 {
        return Err(Stop::fatal(
            "The given secret file is world accessible, the access mode must be user \
             accessible only (0600).",
        ));
    }
    if mode & ANY_OF_GROUP != 0 {
        return Err(Stop::fatal(
            "The given secret file is group accessible, the access mode must be user \
             accessible only (0600).",
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let cannot_read = |error: &std::io::Error| {
        Failure::answer_is_no(format!(
            "the secret file {} cannot be read: {error}",
            path.display()
        ))
    };
    let folder_mode = std::fs::metadata(folder)
        .map_err(|error| cannot_read(&error))?
        .permissions()
        .mode();
    for (bit, who) in [(WRITE_OF_GROUP, "group"), (WRITE_OF_OTHERS, "world")] {
        if folder_mode & bit != 0 {
            return Err(Stop::fatal(format!(
                "The folder of the given secret file is {who} writable, it must only be \
                 writable by the user."
            )));
        }
    }
    if metadata.len() > LONGEST {
        return Err(Stop::fatal("The given secret file is too large to be one."));
    }
    let secret = std::fs::read(path).map_err(|error| cannot_read(&error))?;
    if secret.len() < SHORTEST {
        return Err(Stop::fatal(format!(
            "The secret in the given secret file is too short, it should be at least {SHORTEST} \
             characters long."
        )));
    }
    if secret.iter().collect::<HashSet<_>>().len() < FEWEST_DIFFERENT {
        return Err(Stop::fatal(
            "The secret in the given secret file is too weak, it should use less repetition.",
        ));
    }
    Ok(())
}

fn new_secret() -> Result<String, Failure> {
    let mut random = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        Failure::could_not_try(format!("the system has no randomness: {error}"))
    })?;
    Ok(STANDARD.encode(random))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::answer_is_no(format!(
        "the secret file {} cannot be written: {error}",
        path.display()
    ))
    .with_hint("its folder must exist and be yours")
}
