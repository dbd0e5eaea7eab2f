//! What this server holds, told in the form in which imports read other servers.
//!
//! Whoever writes another server's format needs no knowledge of our rows: [`OwnData`] is a [`Source`] like any other.

mod hosted;
mod mirrored;

use cheeseshop_domain::JsonMap;
use cheeseshop_domain::api::LogDocument;
use cheeseshop_domain::api::format_time;
use cheeseshop_domain::{Index as OurIndex, LogEntry};
use cheeseshop_packaging::Sha256;
use cheeseshop_storage::ByteStream;
use cheeseshop_storage::database::{indexes, mirrors, projects, tokens, users};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::import::model::{Content, Index, Project, User};
use crate::import::{Kind, Report, Source, SourceError};
use crate::{App, Error};

/// Names of projects that are read at once.
const NAMES_AT_ONCE: usize = 500;

/// All that this server holds. Every project is read in a snapshot of its own, so the server may go on working: what is
/// changed meanwhile may be in or not, each project whole.
#[derive(Clone)]
pub struct OwnData {
    app: App,
    mirrored_files: bool,
}

impl App {
    /// This server's data as a source, with or without the files that mirrors hold. Password hashes and the credentials
    /// of upstreams are in it.
    pub fn data(&self, mirrored_files: bool) -> OwnData {
        OwnData {
            app: self.clone(),
            mirrored_files,
        }
    }
}

impl Source for OwnData {
    fn describe(&self) -> String {
        "this server".to_owned()
    }

    fn users<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>> {
        Box::pin(async move {
            let mut reader = self.app.db().reader().await.map_err(unreadable)?;
            let users = users::list(&mut reader).await.map_err(unreadable)?;
            for user in &users {
                for token in tokens::list_of_user(&mut reader, user.id)
                    .await
                    .map_err(unreadable)?
                {
                    report.skipped(
                        Kind::Token,
                        format!("{}/{}", user.name, token.id),
                        "tokens are bound to the keys of this server",
                    );
                }
            }
            Ok(users
                .into_iter()
                .map(|user| {
                    let mut record = user.profile.to_json();
                    let mut set = |key: &str, value: String| {
                        record.insert(key.to_owned(), Value::from(value));
                    };
                    set("username", user.name.to_string());
                    set("created", format_time(user.created));
                    if let Some(modified) = user.modified {
                        set("modified", format_time(modified));
                    }
                    match user.password_hash {
                        None => {}
                        // `SALT:DIGEST`, of a devpi-server before 4.9.
                        Some(hash) if !hash.starts_with('$') => {
                            let (salt, digest) = hash.split_once(':').unwrap_or(("", &hash));
                            set("pwsalt", salt.to_owned());
                            set("pwhash", digest.to_owned());
                        }
                        Some(hash) => set("pwhash", hash),
                    }
                    User {
                        name: user.name.to_string(),
                        record,
                    }
                })
                .collect())
        })
    }

    fn indexes<'a>(
        &'a self,
        _report: &'a Report,
    ) -> BoxFuture<'a, Result<Vec<Index>, SourceError>> {
        Box::pin(async move {
            let mut reader = self.app.db().reader().await.map_err(unreadable)?;
            let indexes = indexes::list(&mut reader).await.map_err(unreadable)?;
            Ok(indexes.iter().map(index).collect())
        })
    }

    fn count_projects(&self, _index: &Index) -> Option<u64> {
        None
    }

    fn projects<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>> {
        let directory = self.app.directory();
        let Some(held) = directory.index(&index.user, &index.name).cloned() else {
            return stream::empty().boxed();
        };
        let is_mirror = held.is_mirror();
        if is_mirror && !self.mirrored_files {
            return stream::empty().boxed();
        }
        let names = if is_mirror {
            self.mirrored_names(&held).boxed()
        } else {
            self.hosted_names(&held).boxed()
        };
        names
            .and_then(move |name| {
                let held = std::sync::Arc::clone(&held);
                async move {
                    if is_mirror {
                        self.mirrored_project(&held, &name, report).await
                    } else {
                        self.hosted_project(&held, &name).await
                    }
                }
            })
            .try_filter_map(async |project| Ok(project))
            .boxed()
    }

    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            let digest: Sha256 = location
                .parse()
                .map_err(|error| SourceError::caused_by("no file of ours", error))?;
            let blob = self
                .app
                .blobs()
                .open_blob(&digest)
                .await
                .map_err(unreadable)?;
            let blob = blob.ok_or_else(|| {
                SourceError::new(format!("the bytes with sha256 {digest} are gone"))
            })?;
            Ok(blob.read(0..blob.size()))
        })
    }
}

impl OwnData {
    /// The normalized names of a hosted index's projects, in bounded memory.
    fn hosted_names(
        &self,
        index: &OurIndex,
    ) -> impl futures_util::Stream<Item = Result<String, SourceError>> + Send + use<'_> {
        let id = index.id;
        stream::try_unfold(String::new(), move |after| async move {
            let mut reader = self.app.db().reader().await.map_err(unreadable)?;
            let names = projects::list_names_after(&mut reader, id, &after, NAMES_AT_ONCE)
                .await
                .map_err(unreadable)?;
            let last = names.last().cloned();
            Ok(last.map(|last| (stream::iter(names.into_iter().map(Ok)), last)))
        })
        .try_flatten()
    }

    fn mirrored_names(
        &self,
        index: &OurIndex,
    ) -> impl futures_util::Stream<Item = Result<String, SourceError>> + Send + use<'_> {
        let id = index.id;
        stream::once(async move {
            let mut reader = self.app.db().reader().await.map_err(unreadable)?;
            let names = mirrors::list_projects(&mut reader, id)
                .await
                .map_err(unreadable)?;
            Ok(stream::iter(names.into_iter().map(Ok)))
        })
        .try_flatten()
    }

    /// Where bytes of ours are: a file, if they are in one.
    fn content(&self, sha256: &Sha256) -> Content {
        match self.app.blobs().local_path(sha256) {
            Some(path) => Content::Path(path),
            None => Content::Remote(sha256.to_string()),
        }
    }
}

fn index(index: &OurIndex) -> Index {
    let config = match index.config.to_stored() {
        Value::Object(config) => config,
        _ => JsonMap::new(),
    };
    Index {
        user: index.name.user.to_string(),
        name: index.name.index.to_string(),
        config,
    }
}

/// A history in devpi's words.
fn log(entries: &[LogEntry]) -> Vec<JsonMap> {
    entries
        .iter()
        .filter_map(
            |entry| match serde_json::to_value(LogDocument::from(entry)) {
                Ok(Value::Object(step)) => Some(step),
                _ => None,
            },
        )
        .collect()
}

fn unreadable(error: impl Into<Error>) -> SourceError {
    SourceError::caused_by("the data of this server cannot be read", error.into())
}
