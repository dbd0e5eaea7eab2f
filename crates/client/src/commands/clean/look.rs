//! Looking at indexes: what they have, and what of it goes.

use cheeseshop_packaging::ProjectName;
use futures_util::{StreamExt as _, stream};
use url::Url;

use super::findings::{Doomed, Fate, IndexFindings};
use super::not_tried;
use crate::clean::{Held, Rules};
use crate::commands::{Connection, Failure, Session};
use crate::{Error, LinkKind, Release, Server};

/// How many questions a server is asked at once.
const QUESTIONS: usize = 8;

/// An index that is looked at.
pub(super) struct Index {
    pub(super) name: String,
    pub(super) url: Url,
    is_volatile: bool,
}

pub(super) async fn index_of(server: &Server, connection: &Connection) -> Result<Index, Failure> {
    let url = connection.index_url().map_err(not_tried)?;
    let name = connection
        .current
        .index_name()
        .ok_or_else(|| Failure::usage(format!("{url} is no index of {}", server.url())))?;
    let settings = server
        .index(&name)
        .await
        .map_err(|error| Failure::usage(format!("{name}: {}", error.chain())))?;
    if settings.get("type").and_then(|kind| kind.as_str()) == Some("mirror") {
        return Err(Failure::usage(format!(
            "{name} is a mirror: what it has is its upstream's"
        )));
    }
    Ok(Index {
        url: folder(server, &name)?,
        name,
        is_volatile: is_volatile(settings.get("volatile")),
    })
}

pub(super) async fn indexes_of(
    session: &mut Session,
    server: &Server,
    user: &str,
) -> Result<Vec<Index>, Failure> {
    let document = server
        .user(user)
        .await
        .map_err(|error| Failure::usage(format!("{user}: {}", error.chain())))?;
    let mut indexes = Vec::new();
    let all = document
        .get("indexes")
        .and_then(|indexes| indexes.as_object());
    for (index, settings) in all.into_iter().flatten() {
        let name = format!("{user}/{index}");
        if settings.get("type").and_then(|kind| kind.as_str()) == Some("mirror") {
            session
                .output
                .talk(&format!("{name} is a mirror: left alone"));
            continue;
        }
        indexes.push(Index {
            url: folder(server, &name)?,
            name,
            is_volatile: is_volatile(settings.get("volatile")),
        });
    }
    Ok(indexes)
}

/// What says nothing of itself is volatile with devpi.
fn is_volatile(setting: Option<&serde_json::Value>) -> bool {
    setting.and_then(serde_json::Value::as_bool).unwrap_or(true)
}

fn folder(server: &Server, name: &str) -> Result<Url, Failure> {
    let mut url = server
        .index_url(name)
        .map_err(|error| not_tried(error.into()))?;
    url.set_path(&format!("{}/", url.path()));
    Ok(url)
}

/// What goes from an index. Each project is asked for once, several at a time.
pub(super) async fn look(
    server: &Server,
    index: Index,
    rules: &Rules,
) -> Result<IndexFindings, Failure> {
    let failed = |error: Error| Failure::usage(format!("{}: {}", index.name, error.chain()));
    let mut names = server.projects(&index.url).await.map_err(failed)?;
    names.dedup();
    let projects: Vec<_> = names
        .iter()
        .filter_map(|name| ProjectName::parse(name).ok())
        .filter(|project| rules.mean_project(project))
        .collect();
    let mut found = stream::iter(projects)
        .map(async |project| {
            let held = held(server, &index.url, &project).await;
            (project, held)
        })
        .buffered(QUESTIONS);
    let mut doomed = Vec::new();
    while let Some((project, held)) = found.next().await {
        for release in rules.doomed(&project, held.map_err(failed)?) {
            doomed.push(Doomed {
                project: project.clone(),
                release,
                fate: Fate::Shown,
            });
        }
    }
    drop(found);
    Ok(IndexFindings {
        name: index.name,
        url: index.url,
        is_volatile: index.is_volatile,
        doomed,
    })
}

/// The releases that an index itself has of a project.
async fn held(server: &Server, index: &Url, project: &ProjectName) -> Result<Vec<Held>, Error> {
    let project = match server.project(index, project, false).await {
        Ok(project) => project,
        // It went in the meantime.
        Err(Error::Refused { status: 404, .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(project.releases.into_iter().map(held_of).collect())
}

fn held_of(release: Release) -> Held {
    let times = release.links(LinkKind::File).map(|link| link.uploaded);
    Held {
        files: release.links(LinkKind::File).count(),
        // One file of an unknown age may have come just now.
        uploaded: times
            .collect::<Option<Vec<_>>>()
            .and_then(|times| times.into_iter().max()),
        version: release.version,
    }
}

#[cfg(test)]
mod tests {
    use cheeseshop_packaging::{Hashes, Version};
    use jiff::Timestamp;

    use super::*;
    use crate::Link;

    #[test]
    fn a_release_is_as_old_as_its_newest_file_when_the_age_of_each_is_known() {
        let of = |second: Option<i64>, kind| Link {
            kind,
            url: "http://shop.test/file".parse().unwrap(),
            of_url: None,
            hashes: Hashes::default(),
            uploaded: second.map(|second| Timestamp::from_second(second).unwrap()),
        };
        let file = |second| of(second, LinkKind::File);
        for (links, expected) in [
            (vec![file(Some(1)), file(Some(3)), file(Some(2))], Some(3)),
            (vec![file(Some(1)), file(None)], None),
            (vec![file(Some(1)), of(None, LinkKind::TestResult)], Some(1)),
            (vec![], None),
        ] {
            let held = held_of(Release {
                name: "app".to_owned(),
                version: Version::parse("1.0").unwrap(),
                links,
                shadowed: Vec::new(),
            });
            assert_eq!(held.uploaded.map(Timestamp::as_second), expected);
        }
    }
}
