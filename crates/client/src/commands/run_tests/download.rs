//! Getting the files of a release, and unpacking sdists.

use std::path::{Path, PathBuf};

use cheeseshop_packaging::ProjectName;
use url::Url;

use super::Run;
use crate::commands::Failure;
use crate::projects::{Link, Release};
use crate::{default_limits, unpack};

/// A sdist that has been unpacked.
pub(super) struct Sdist {
    /// The file itself.
    pub(super) archive: PathBuf,
    /// The folder in it that everything is in.
    pub(super) folder: PathBuf,
}

impl Sdist {
    /// Unpacks a sdist; an error is a reason to tell.
    pub(super) async fn unpack(
        archive: PathBuf,
        target: &Path,
        release: &Release,
    ) -> Result<Self, String> {
        let (from, to) = (archive.clone(), target.to_owned());
        let work = move || unpack(&from, &to, &default_limits());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("cannot unpack {}: {error}", archive.display())),
            Err(error) => return Err(error.to_string()),
        }
        let folder = top_folder(target, release)
            .ok_or_else(|| format!("Couldn't find unpacked package in {}", target.display()))?;
        Ok(Self { archive, folder })
    }
}

/// The folder named like the release, as loosely as names are compared; else the only one.
fn top_folder(target: &Path, release: &Release) -> Option<PathBuf> {
    let normal = |name: &str| {
        ProjectName::parse(name).map_or_else(
            // Versions may have characters that names have not.
            |_| name.to_lowercase().replace(['_', '.'], "-"),
            |name| name.normalized().to_owned(),
        )
    };
    let wanted = normal(&format!("{}-{}", release.name, release.version));
    let mut folders: Vec<_> = std::fs::read_dir(target)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    let named = folders.iter().position(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| normal(name) == wanted)
    });
    match (named, folders.len()) {
        (Some(position), _) => Some(folders.swap_remove(position)),
        (None, 1) => folders.pop(),
        _ => None,
    }
}

impl Run<'_> {
    /// Downloads a file into a folder. `None`: it could not be, which has been told.
    pub(super) async fn download(
        &mut self,
        file: &Link,
        folder: &Path,
    ) -> Result<Option<PathBuf>, Failure> {
        let shown = self.shown(&file.url);
        let Some(name) = file.file_name() else {
            let text = format!("could not receive {shown}: its name is not that of a file");
            self.session.output.error(&text);
            return Ok(None);
        };
        let path = folder.join(&name);
        let server = self.connection.server()?;
        let output = &mut self.session.output;
        let mut last = 0;
        let mut progress = |size: u64, total: Option<u64>| {
            // Not for every packet.
            if size - last > 1 << 20 {
                last = size;
                let total = total.map_or_else(String::new, |total| format!(" of {}", total >> 20));
                output.passing(&format!("{name}: {}{total} MiB", size >> 20));
            }
        };
        let outcome = server
            .download(&file.url, &path, &file.hashes, &mut progress)
            .await;
        let output = &mut self.session.output;
        output.passing("");
        match outcome {
            Ok(download) => {
                output.info(&format!("received {shown}"));
                if !download.is_checked {
                    output.warn(&format!(
                        "the index says no digest of {name} that can be compared"
                    ));
                }
                Ok(Some(path))
            }
            Err(error) => {
                output.error(&format!("could not receive {shown}: {}", error.chain()));
                Ok(None)
            }
        }
    }

    /// A URL as devpi-client shows it: with the user whose login goes along.
    fn shown(&self, url: &Url) -> Url {
        let mut shown = url.clone();
        if self.connection.logins.basic(url).is_none()
            && let Some(login) = self.connection.login(url)
        {
            // Both fail only for URLs that cannot have credentials.
            let _ = shown.set_username(&login.user);
            let _ = shown.set_password(Some("****"));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_sdist_is_found_by_whatever_spelling() {
        let release = |name: &str, version: &str| Release {
            name: name.to_owned(),
            version: version.parse().unwrap(),
            links: vec![],
            shadowed: vec![],
        };
        for (folders, name, version, found) in [
            (&["a-1", "b-1"][..], "A", "1", Some("a-1")),
            (&["my_pkg-1.0", "x"], "My.Pkg", "1.0", Some("my_pkg-1.0")),
            (&["a-1_0+x", "x"], "a", "1.0+x", Some("a-1_0+x")),
            (&["whatever"], "a", "1", Some("whatever")),
            (&["x", "y"], "a", "1", None),
            (&[], "a", "1", None),
        ] {
            let target = tempfile::tempdir().unwrap();
            for folder in folders {
                std::fs::create_dir(target.path().join(folder)).unwrap();
            }
            std::fs::write(target.path().join("pax_global_header"), "").unwrap();
            let folder = top_folder(target.path(), &release(name, version));
            assert_eq!(
                folder,
                found.map(|found| target.path().join(found)),
                "{folders:?}"
            );
        }
    }
}
