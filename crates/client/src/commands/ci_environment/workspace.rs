//! Where a job may write: its workspace, and nowhere else.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Environment;
use crate::commands::Failure;
use crate::state::of_file;

/// The variables by which Jenkins, GitLab and GitHub name a job's directory.
const VARIABLES: &[&str] = &["WORKSPACE", "CI_PROJECT_DIR", "GITHUB_WORKSPACE"];

/// Names the temporary directory of an earlier run in the same shell.
pub(super) const KEPT: &str = "CHEESESHOP_WORKSPACE";

/// The directory that a job owns.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub(super) path: PathBuf,
    /// The option or variable that names it; `None`: it was made for want of one.
    pub(super) named_by: Option<&'static str>,
}

impl Workspace {
    /// The directory that is named, else a new temporary one.
    ///
    /// # Errors
    /// A name of what is no directory, or no place for a temporary one.
    pub(super) fn find(asked: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let asked = asked.map(|path| environment.expand(&path.to_string_lossy()));
        let named = asked.map(|path| (path, "--workspace")).or_else(|| {
            VARIABLES
                .iter()
                .find_map(|name| Some((environment.path(name)?, *name)))
        });
        if let Some((path, named_by)) = named {
            return Self::named(path, named_by);
        }
        let kept = environment.path(KEPT).filter(|path| path.is_dir());
        if let Some(path) = kept {
            return Self::named(path, KEPT);
        }
        let folder = environment
            .path("TMPDIR")
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        let made = tempfile::Builder::new()
            .prefix("cheeseshop-env-")
            .tempdir_in(&folder)
            .map_err(|error| unusable(&folder, &error))?;
        Ok(Self {
            path: made.keep(),
            named_by: None,
        })
    }

    fn named(path: PathBuf, named_by: &'static str) -> Result<Self, Failure> {
        if !path.is_dir() {
            return Err(Failure::usage(format!(
                "{named_by} names {}, which is no directory",
                path.display()
            )));
        }
        if path.parent().is_none() {
            return Err(Failure::usage(format!(
                "{named_by} names {}, which is nobody's workspace",
                path.display()
            )));
        }
        Ok(Self {
            path,
            named_by: Some(named_by),
        })
    }

    /// Whether it is the temporary directory of this or an earlier run.
    pub(super) fn is_temporary(&self) -> bool {
        self.named_by.is_none_or(|name| name == KEPT)
    }

    /// The directory of the devpi client's state and of the tools' caches.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join(".devpi")
    }

    /// Makes the directory of the state, which git is to overlook: what is in there must neither be
    /// committed, nor packed into a source distribution, nor make a version "dirty".
    ///
    /// # Errors
    /// When it cannot be made, or leads out of the workspace.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        let state = self.state();
        // Whoever has committed a link there does not have us write where it leads.
        let inside = ["cache", "current.json", "auth.json", ".lock"].map(|name| state.join(name));
        for path in std::iter::once(&state).chain(&inside) {
            let is_link = path
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_symlink());
            if is_link {
                return Err(Failure::usage(format!(
                    "{} is a link: nothing is written outside the workspace",
                    path.display()
                )));
            }
        }
        crate::state::make_directory(&state).map_err(|error| could_not(&error))?;
        let path = state.join(".gitignore");
        match std::fs::File::create_new(&path) {
            Ok(mut file) => file
                .write_all(b"*\n")
                .map_err(|error| could_not(&of_file(&path, error))),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(could_not(&of_file(&path, error))),
        }
    }
}

/// A failure to try at all, in the words of the error.
pub(super) fn could_not(error: &crate::Error) -> Failure {
    Failure::usage(error.chain())
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "no temporary directory can be made in {}: {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_job_names_its_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (jenkins, gitlab, github) = (path("j"), path("gl"), path("gh"));
        let (kept, tmp) = (path("k"), path("tmp"));
        let mut variables = vec![
            ("TMPDIR", tmp.as_str()),
            (KEPT, &kept),
            ("GITHUB_WORKSPACE", &github),
            ("CI_PROJECT_DIR", &gitlab),
            ("WORKSPACE", &jenkins),
        ];
        let mut found = Vec::new();
        while !variables.is_empty() {
            let environment = Environment::of(&variables, folder.path());
            let workspace = Workspace::find(None, &environment).unwrap();
            found.push(
                workspace
                    .path
                    .strip_prefix(folder.path())
                    .unwrap()
                    .to_owned(),
            );
            if variables.len() == 1 {
                break;
            }
            variables.pop();
        }
        assert_eq!(found[..4], ["j", "gl", "gh", "k"].map(PathBuf::from));
        assert!(found[4].starts_with("tmp"), "{found:?}");
        let environment = Environment::of(&[("WORKSPACE", &jenkins)], folder.path());
        let asked = Workspace::find(Some(Path::new("gl")), &environment).unwrap();
        assert_eq!(asked.path, Path::new(&gitlab));
    }

    #[test]
    fn what_is_no_workspace_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.to_str().unwrap(), "/no/such/folder", "/"] {
            let environment = Environment::of(&[("WORKSPACE", path)], folder.path());
            let failure = Workspace::find(None, &environment).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(
                failure.message.starts_with("WORKSPACE names"),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn the_state_is_the_owners_and_does_not_leave_the_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let workspace = Workspace {
            path: folder.path().to_owned(),
            named_by: Some("WORKSPACE"),
        };
        workspace.prepare().unwrap();
        workspace.prepare().unwrap();
        let mode = workspace.state().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(
            std::fs::read_to_string(workspace.state().join(".gitignore")).unwrap(),
            "*\n"
        );
        for name in ["cache", "current.json", "auth.json", ".lock"] {
            let link = workspace.state().join(name);
            std::os::unix::fs::symlink(outside.path().join(name), &link).unwrap();
            assert!(workspace.prepare().is_err(), "{name}");
            std::fs::remove_file(&link).unwrap();
        }
        std::fs::remove_dir_all(workspace.state()).unwrap();
        std::os::unix::fs::symlink(outside.path(), workspace.state()).unwrap();
        assert!(workspace.prepare().is_err());
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }
}
