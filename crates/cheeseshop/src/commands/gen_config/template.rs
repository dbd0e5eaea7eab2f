//! One mechanism for all generated files: a template, values, and a file that others never see half of.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::failure::Failure;

/// Fills a template. `name` is what a failure calls it.
pub(crate) fn filled(name: &str, template: &str, values: Value) -> Result<String, Failure> {
    let mut environment = Environment::new();
    // A name that the values do not have is a mistake of ours, not an empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(|error| Failure::caused_by("templates cannot be read", &error))?;
    environment.set_syntax(syntax);
    environment
        .render_str(template, values)
        .map_err(|error| Failure::caused_by(&format!("{name} cannot be made"), &error))
}

/// Writes a file that others never see half of.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    try_replace(path, text, mode).map_err(|error| {
        Failure::answer_is_no(format!("{} cannot be written: {error}", path.display()))
    })
}

fn try_replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut temporary = PathBuf::from(path);
    temporary.as_mut_os_string().push(".new");
    // Left behind by a run that was killed.
    let _ = std::fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}
