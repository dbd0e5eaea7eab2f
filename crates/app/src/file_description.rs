//! What is known of a file, without the file: devpi's `releasefilemeta`.

use cheeseshop_domain::{Caller, FilePath, IndexName};
use cheeseshop_packaging::{FileName, Hashes, ProjectName};
use cheeseshop_storage::database::mirrors;
use jiff::Timestamp;
use url::Url;

use crate::files::Found;
use crate::{App, Error};

/// What is known of a file.
#[derive(Clone, Debug)]
pub struct FileDescription {
    /// The project's normalized name.
    pub project: String,
    /// The version, as stored or as the file name tells it; empty when it tells nothing.
    pub version: String,
    /// Known digests.
    pub hashes: Hashes,
    /// When it came here; `None` for a mirror's file that is not held.
    pub modified: Option<Timestamp>,
    /// Where a mirror gets it from, without credentials.
    pub upstream_url: Option<String>,
}

impl App {
    /// Describes the file that a path means; downloads nothing.
    ///
    /// # Errors
    /// As [`App::open_file`].
    pub async fn describe_file(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
    ) -> Result<FileDescription, Error> {
        self.catch_up().await?;
        let index = self.readable_index(caller, index)?;
        Ok(match self.find_file(caller, &index, path).await? {
            Found::Hosted { project, file, .. } => FileDescription {
                project: project.normalized().to_owned(),
                version: file.version.as_str().to_owned(),
                hashes: Hashes::from(file.sha256),
                modified: Some(file.uploaded),
                upstream_url: None,
            },
            Found::Mirrored {
                holder,
                project,
                file,
                ..
            } => {
                let mut reader = self.db().reader().await?;
                let held =
                    mirrors::find_file_by_path(&mut reader, holder.id, &path.to_string()).await?;
                FileDescription {
                    version: version_of(path.name(), &project),
                    project: project.normalized().to_owned(),
                    hashes: file.hashes,
                    modified: held.map(|held| held.fetched_at),
                    upstream_url: without_credentials(&file.url),
                }
            }
            Found::Attached(file) => FileDescription {
                project: file.project.normalized().to_owned(),
                version: file.version.as_str().to_owned(),
                hashes: Hashes::from(file.sha256),
                modified: Some(file.uploaded),
                upstream_url: None,
            },
            Found::Kept(file) => FileDescription {
                version: ProjectName::parse(&file.project)
                    .map(|project| version_of(path.name(), &project))
                    .unwrap_or_default(),
                project: file.project,
                hashes: Hashes::from(file.sha256),
                modified: Some(file.fetched_at),
                upstream_url: None,
            },
        })
    }
}

fn version_of(name: &FileName, project: &ProjectName) -> String {
    name.version_for(project)
        .map(|version| version.as_str().to_owned())
        .unwrap_or_default()
}

/// A query may be a signature, so it goes as well.
fn without_credentials(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_urls_tell_no_secrets() {
        assert_eq!(
            without_credentials("https://bob:pw@h.example/f/x.whl?signature=s#sha256=0").as_deref(),
            Some("https://h.example/f/x.whl")
        );
        assert_eq!(without_credentials("not a url"), None);
    }
}
