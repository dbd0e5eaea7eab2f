//! Copying what a version control system knows of a checkout, so that a build sees no stray files.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Environment;

/// The version control systems whose checkouts are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// git
    Git,
    /// Mercurial
    Mercurial,
}

impl System {
    /// The folder (or, in work trees and submodules of git, the file) of its data.
    pub(crate) fn data(self) -> &'static str {
        match self {
            Self::Git => ".git",
            Self::Mercurial => ".hg",
        }
    }

    /// The program and the arguments that list what it knows, with NUL behind each name.
    fn listing(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Git => ("git", &["ls-files", "-z", "--recurse-submodules"]),
            // Unversioned files are not among these: no added letter stands for them.
            Self::Mercurial => ("hg", &["status", "-ncamd", "--print0", "."]),
        }
    }
}

/// A checkout.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// Its top folder.
    pub(crate) root: PathBuf,
    /// What it is a checkout of.
    pub(crate) system: System,
}

impl Checkout {
    /// The checkout that a folder lies in, the innermost one.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        folder.ancestors().find_map(|root| {
            [System::Git, System::Mercurial]
                .into_iter()
                .find(|system| root.join(system.data()).exists())
                .map(|system| Self {
                    root: root.to_owned(),
                    system,
                })
        })
    }

    /// Copies what is versioned below `from` (the root, or a folder in it) to a new folder. Files
    /// that are no longer there are left out; links stay links.
    ///
    /// # Errors
    /// The program is missing or fails, or a file cannot be copied.
    pub(crate) fn copy_files(
        &self,
        from: &Path,
        target: &Path,
        environment: &Environment,
    ) -> io::Result<()> {
        std::fs::create_dir_all(target)?;
        for name in self.files(from, environment)? {
            let (source, copy) = (from.join(&name), target.join(&name));
            let Ok(metadata) = source.symlink_metadata() else {
                continue;
            };
            if let Some(folder) = copy.parent() {
                std::fs::create_dir_all(folder)?;
            }
            if metadata.is_dir() {
                // A submodule that is not there.
                std::fs::create_dir_all(&copy)?;
            } else if metadata.is_symlink() {
                std::os::unix::fs::symlink(std::fs::read_link(&source)?, &copy)?;
            } else {
                copy_file(&source, &copy)?;
            }
        }
        Ok(())
    }

    /// Copies the data of the system, which build backends ask for versions and files.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub(crate) fn copy_data(&self, target: &Path) -> io::Result<()> {
        let source = self.root.join(self.system.data());
        let copy = target.join(self.system.data());
        if source.is_dir() {
            return copy_folder(&source, &copy);
        }
        // `gitdir: PATH`, in submodules relative to where the file is.
        let text = std::fs::read_to_string(&source)?;
        match text.trim_end().strip_prefix("gitdir: ") {
            Some(path) => std::fs::write(
                &copy,
                format!("gitdir: {}\n", self.root.join(path).display()),
            ),
            None => copy_file(&source, &copy),
        }
    }

    fn files(&self, folder: &Path, environment: &Environment) -> io::Result<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStrExt as _;
        let (program, arguments) = self.system.listing();
        let path = environment
            .find_program(program)
            .ok_or_else(|| io::Error::other(format!("command not found: {program}")))?;
        let output = Command::new(path)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!(
                "{program} {}: {}",
                arguments.join(" "),
                reason.trim()
            )));
        }
        let names = output.stdout.split(|byte| *byte == 0);
        Ok(names
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name)))
            // Names come from a repository that may be anybody's.
            .filter(|name| {
                name.components()
                    .all(|part| matches!(part, Component::Normal(_)))
            })
            .collect())
    }
}

/// Copies a file with its permissions and its time, from which backends make times of entries.
fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    std::fs::copy(source, target)?;
    let times = std::fs::FileTimes::new().set_modified(source.metadata()?.modified()?);
    match std::fs::File::open(target)?.set_times(times) {
        // Somebody else's file system; nothing depends on it.
        Ok(()) | Err(_) => Ok(()),
    }
}

fn copy_folder(source: &Path, target: &Path) -> io::Result<()> {
    std::fs::create_dir_all(target)?;
    for entry in source.read_dir()? {
        let entry = entry?;
        let (kind, copy) = (entry.file_type()?, target.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &copy)?;
        } else if kind.is_file() {
            // Locks may go while others work here.
            match copy_file(&entry.path(), &copy) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b.test"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "{arguments:?}");
    }

    #[test]
    fn only_what_is_versioned_is_copied() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("proj");
        std::fs::create_dir_all(root.join("pkg")).unwrap();
        git(&root, &["init", "-q"]);
        for (name, content) in [("pkg/a.py", "a"), ("gone.py", "g"), (".gitignore", "*.log")] {
            std::fs::write(root.join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("pkg/a.py", root.join("link")).unwrap();
        git(&root, &["add", "."]);
        git(&root, &["commit", "-qm", "x"]);
        std::fs::remove_file(root.join("gone.py")).unwrap();
        std::fs::write(root.join("stray.log"), "").unwrap();
        std::fs::write(root.join("pkg/stray.py"), "").unwrap();
        std::fs::write(root.join("pkg/a.py"), "changed").unwrap();

        let checkout = Checkout::around(&root.join("pkg")).unwrap();
        assert_eq!(checkout.root, root);
        let target = home.path().join("copy");
        let environment = Environment::of_this_process();
        checkout.copy_files(&root, &target, &environment).unwrap();
        checkout.copy_data(&target).unwrap();
        let read = |name: &str| std::fs::read_to_string(target.join(name)).ok();
        assert_eq!(read("pkg/a.py").as_deref(), Some("changed"));
        assert_eq!(read("pkg/stray.py"), None);
        assert_eq!(read("gone.py"), None);
        assert!(target.join("link").is_symlink());
        git(&target, &["rev-parse", "HEAD"]);
    }

    #[test]
    fn mercurial_is_asked_for_what_it_knows() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("proj");
        std::fs::create_dir_all(root.join(".hg/store")).unwrap();
        std::fs::write(root.join("a b.py"), "a").unwrap();
        std::fs::write(root.join("stray.py"), "s").unwrap();
        let program = home.path().join("hg");
        // Answers to the question that Mercurial is asked, with a name that leads out.
        let script = "#!/bin/sh\n[ \"$*\" = 'status -ncamd --print0 .' ] && \
                      printf 'a b.py\\0../out\\0gone.py\\0'\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let environment = Environment::of(&[("PATH", home.path().to_str().unwrap())], &root);
        let checkout = Checkout::around(&root).unwrap();
        assert_eq!(checkout.system, System::Mercurial);
        let target = home.path().join("copy");
        checkout.copy_files(&root, &target, &environment).unwrap();
        checkout.copy_data(&target).unwrap();
        let mut names: Vec<_> = target
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".hg", "a b.py"]);
        assert!(target.join(".hg/store").is_dir());
        let without = Environment::of(&[("PATH", "/nowhere")], &root);
        let error = checkout.copy_files(&root, &target, &without).unwrap_err();
        assert_eq!(error.to_string(), "command not found: hg");
    }

    #[test]
    fn a_work_tree_is_a_checkout_too() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("proj");
        std::fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q"]);
        git(&root, &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(&root, &["worktree", "add", "-q", "../tree"]);
        let tree = home.path().join("tree");
        std::fs::write(tree.join("a.py"), "a").unwrap();
        git(&tree, &["add", "."]);
        let target = home.path().join("copy");
        let checkout = Checkout::around(&tree).unwrap();
        let environment = Environment::of_this_process();
        checkout.copy_files(&tree, &target, &environment).unwrap();
        checkout.copy_data(&target).unwrap();
        assert!(target.join("a.py").is_file());
        git(&target, &["rev-parse", "HEAD"]);
    }
}
