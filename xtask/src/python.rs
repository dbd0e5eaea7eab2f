//! Programs that come from PyPI, each set of them in a virtual environment of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell::{self, program};

/// The environment `folder` with these requirements, one a line and each with its version; made anew when they are
/// others than before. Gives the folder of its programs.
pub(crate) fn environment(
    folder: &Path,
    requirements: &str,
    options_of_pip: &[&str],
) -> Result<PathBuf> {
    let programs = folder.join("bin");
    // Written last: an environment without it was not made to its end.
    let mark = folder.join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == requirements) {
        return Ok(programs);
    }
    shell::run(
        program("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    shell::run(
        program(&programs.join("python").display().to_string())
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check")
            .args(options_of_pip)
            .args(requirements.lines().filter(|line| !line.starts_with('#'))),
    )?;
    std::fs::write(&mark, requirements).with_context(|| mark.display().to_string())?;
    Ok(programs)
}
