//! Sending files to an index, and telling of it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cheeseshop_packaging::Version;
use cheeseshop_packaging::name::normalize;
use url::Url;

use super::login::{ServerClock, TOKEN_SECONDS, told};
use super::{UploadArgs, is_documentation, workdir};
use crate::commands::session::no_answer;
use crate::commands::{Connection, Failure, Session};
use crate::{Content, Credentials, Distribution, DistributionError, Progress, repack};

/// How often a person is told how far an upload is.
const TICK: Duration = Duration::from_millis(200);

/// Sends files to an index.
pub(super) struct Uploader<'arguments> {
    connection: Connection,
    index: Url,
    arguments: &'arguments UploadArgs,
    clock: ServerClock,
}

impl<'arguments> Uploader<'arguments> {
    pub(super) fn new(
        connection: Connection,
        index: &Url,
        arguments: &'arguments UploadArgs,
    ) -> Self {
        Self {
            connection,
            index: crate::server::without_credentials(index),
            arguments,
            clock: ServerClock::default(),
        }
    }

    /// Looks into all files before the first one is sent, then sends them: release files by their
    /// paths, documentation behind them.
    pub(super) async fn upload(
        &mut self,
        session: &mut Session,
        files: &[PathBuf],
    ) -> Result<(), Failure> {
        let mut distributions = read_all(session, files)?;
        if self.arguments.only_latest {
            distributions = latest(distributions);
        }
        distributions.sort_by_cached_key(|it| (is_documentation(&it.content), it.path.clone()));
        for distribution in &distributions {
            if let Content::Documentation(name) = &distribution.content {
                let folder = workdir(session)?;
                let mut packed = distribution.clone();
                if name.is_tarball {
                    packed = repacked(session, distribution, &name.zip_name(), folder.path())?;
                }
                self.send(session, &packed).await?;
            } else {
                self.send(session, distribution).await?;
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        session: &mut Session,
        distribution: &Distribution,
    ) -> Result<(), Failure> {
        let login = self.login(session, distribution.project()).await?;
        let (action, index) = (distribution.action(), &self.index);
        let told = format!("{action} of {} to {index}", distribution.name);
        if self.arguments.dry_run {
            session.output.line(&format!("skipped: {told}"));
            return Ok(());
        }
        let server = self.connection.server()?;
        let progress = Progress::default();
        let mut sent = std::pin::pin!(server.upload(index, distribution, login, &progress));
        let mut tick = tokio::time::interval(TICK);
        let result = loop {
            tokio::select! {
                result = &mut sent => break result,
                _ = tick.tick() => session.output.passing(&line_of(&distribution.name, &progress)),
            }
        };
        session.output.passing("");
        let answer = match result {
            Ok(answer) => answer,
            Err(error @ crate::Error::File { .. }) => return Err(error.into()),
            Err(error) => {
                session.output.error(&format!("FAIL {told}"));
                return Err(no_answer(index.as_str(), &error));
            }
        };
        if answer.status == 200 {
            session.output.info(&told);
            return Ok(());
        }
        session
            .output
            .error(&format!("{} FAIL {told}", answer.status.as_u16()));
        match answer.result().as_array() {
            Some(lines) if answer.kind() == Some("actionlog") => {
                for line in lines.iter().filter_map(serde_json::Value::as_str) {
                    session.output.error(&format!("  {line}"));
                }
            }
            _ if !answer.reason.is_empty() => session.output.error(&answer.reason),
            _ => {}
        }
        Err(Failure::fatal(format!("POST to {index} FAILED")))
    }

    /// Who uploads: of a token a narrower one, for this project and a minute.
    async fn login(
        &mut self,
        session: &mut Session,
        project: &str,
    ) -> Result<Option<Credentials>, Failure> {
        let Some(login) = self.connection.login(&self.index) else {
            return Ok(None);
        };
        let server = self.connection.server()?;
        let narrowed = self
            .clock
            .for_project(&server, &login.secret, project)
            .await;
        Ok(Some(told(session, login, project, TOKEN_SECONDS, narrowed)))
    }
}

/// Looks into files. A file without core metadata that can be used is passed over, as devpi does; a
/// file that cannot be read ends the command before anything is sent.
fn read_all(session: &mut Session, files: &[PathBuf]) -> Result<Vec<Distribution>, Failure> {
    let mut distributions = Vec::new();
    let mut unreadable = Vec::new();
    let mut known = HashSet::new();
    for file in files {
        if !known.insert(file) {
            continue;
        }
        match Distribution::read(file) {
            Ok(distribution) => distributions.push(distribution),
            Err(DistributionError::Metadata(error)) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                session
                    .output
                    .error(&format!("{name}: does not contain PKGINFO, skipping"));
                session.output.error(&format!("  {error}"));
            }
            Err(error) => {
                let here = session.environment.directory();
                let shown = file.strip_prefix(here).unwrap_or(file);
                unreadable.push(format!("{}: {error}", shown.display()));
            }
        }
    }
    if unreadable.is_empty() {
        return Ok(distributions);
    }
    unreadable.push("nothing was uploaded".to_owned());
    Err(Failure::fatal(unreadable.join("\n")))
}

/// The files of the latest version of each project, release files and documentation for themselves.
fn latest(distributions: Vec<Distribution>) -> Vec<Distribution> {
    let key = |it: &Distribution| (is_documentation(&it.content), normalize(it.project()));
    let version = |it: &Distribution| it.version().and_then(|text| Version::parse(text).ok());
    let mut newest = HashMap::new();
    for distribution in &distributions {
        let version = version(distribution);
        let known = newest.entry(key(distribution)).or_insert(None);
        if version > *known {
            *known = version;
        }
    }
    let is_newest = |it: &Distribution| match (version(it), &newest[&key(it)]) {
        (Some(version), Some(newest)) => version.is_equivalent(newest),
        (version, newest) => version == *newest,
    };
    distributions.into_iter().filter(is_newest).collect()
}

fn repacked(
    session: &mut Session,
    distribution: &Distribution,
    name: &str,
    folder: &Path,
) -> Result<Distribution, Failure> {
    let path = folder.join(name);
    repack(&distribution.path, &path)
        .map_err(|error| Failure::fatal(format!("{}: {error}", distribution.path.display())))?;
    session
        .output
        .info(&format!("repackaged {} to {name}", distribution.name));
    Ok(Distribution {
        path,
        name: name.to_owned(),
        content: distribution.content.clone(),
    })
}

fn line_of(name: &str, progress: &Progress) -> String {
    let (sent, total) = progress.get();
    let percent = match total {
        0 => 0,
        total => u128::from(sent) * 100 / u128::from(total),
    };
    format!("{name}  {percent} % of {} MB", total.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use cheeseshop_packaging::CoreMetadata;

    use super::*;
    use crate::DocumentationName;

    fn release(name: &str, version: &str, file: &str) -> Distribution {
        Distribution {
            path: file.into(),
            name: file.to_owned(),
            content: Content::Release(Box::new(CoreMetadata {
                name: name.to_owned(),
                version: version.to_owned(),
                ..CoreMetadata::default()
            })),
        }
    }

    #[test]
    fn all_files_of_the_latest_version_are_the_latest() {
        let documentation = |file: &str| Distribution {
            path: file.into(),
            name: file.to_owned(),
            content: Content::Documentation(DocumentationName::parse(file).unwrap()),
        };
        let found = latest(vec![
            release("a.b", "1.9", "a_b-1.9.tar.gz"),
            release("a-b", "1.10", "a_b-1.10.tar.gz"),
            release("A_b", "1.10.0", "a_b-1.10.0-py3-none-any.whl"),
            release("c", "1.0", "c-1.0.tar.gz"),
            documentation("a-b-1.8.doc.zip"),
            documentation("a-b-1.7.doc.zip"),
            documentation("c.doc.zip"),
        ]);
        let names: Vec<_> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "a_b-1.10.tar.gz",
                "a_b-1.10.0-py3-none-any.whl",
                "c-1.0.tar.gz",
                "a-b-1.8.doc.zip",
                "c.doc.zip"
            ]
        );
    }

    #[test]
    fn progress_is_a_share_of_the_whole() {
        assert_eq!(line_of("a.whl", &Progress::default()), "a.whl  0 % of 0 MB");
    }
}
