//! Projects of an index: their releases, and what belongs to these.

use cheeseshop_packaging::hash::{HashAlgorithm, Hashes};
use cheeseshop_packaging::{ProjectName, Version};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::answer::read;
use crate::{Error, Server};

/// A project as an index shows it: with what it inherits, unless that was not asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    /// Newest first.
    pub releases: Vec<Release>,
}

/// A release of a project on one index.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The name of the project, as this release writes it; empty when the server does not say.
    pub name: String,
    /// The version.
    pub version: Version,
    /// Files, test results and documentation, in the server's order.
    pub links: Vec<Link>,
    /// The same version on indexes that this one hides.
    pub shadowed: Vec<Release>,
}

/// Something that belongs to a release and can be downloaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// Where it is.
    pub url: Url,
    /// The file that a test result is of.
    pub of_url: Option<Url>,
    /// What is known of its bytes.
    pub hashes: Hashes,
    /// When it came to this index, if the index says so.
    pub uploaded: Option<Timestamp>,
}

/// What belongs to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// An sdist, a wheel and the like.
    File,
    /// An archive of documentation.
    Documentation,
    /// What a run of tests said of a file.
    TestResult,
    /// What this program does not know.
    Other,
}

impl Release {
    /// What it has of a kind.
    pub fn links(&self, kind: LinkKind) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.kind == kind)
    }

    /// The test results of a file, newest first.
    pub fn test_results_of(&self, file: &Url) -> impl Iterator<Item = &Link> {
        // Servers list them as they came.
        self.links(LinkKind::TestResult)
            .filter(move |link| link.of_url.as_ref() == Some(file))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
    }
}

impl Link {
    /// The last part of the URL, as it is written there: for show and for sorting.
    pub fn base_name(&self) -> &str {
        self.url.path().rsplit('/').next().unwrap_or_default()
    }

    /// The name as that of a file here; `None` when it must not be one.
    pub fn file_name(&self) -> Option<String> {
        let name = percent_decode_str(self.base_name()).decode_utf8().ok()?;
        let is_plain = cheeseshop_packaging::archive::is_safe_path(&name) && !name.contains('/');
        is_plain.then(|| name.into_owned())
    }
}

impl Project {
    /// Reads what a server at `url` says. Versions that are none are left out.
    pub(crate) fn read(document: &Value, url: &Url) -> Result<Self, Error> {
        let documents: Map<String, Value> = read(document)?;
        let mut releases = Vec::new();
        for (version, document) in &documents {
            if let Ok(version) = Version::parse(version) {
                let document: ReleaseDocument = read(document)?;
                releases.push(document.into_release(&version, url));
            }
        }
        releases.sort_by(|one, two| two.version.cmp(&one.version));
        Ok(Self { releases })
    }
}

/// A release as servers write it, as far as it is of use here.
#[derive(Deserialize)]
struct ReleaseDocument {
    #[serde(default)]
    name: Option<String>,
    #[serde(rename = "+links", default)]
    links: Vec<LinkDocument>,
    #[serde(rename = "+shadowing", default)]
    shadowing: Vec<ReleaseDocument>,
}

#[derive(Deserialize)]
struct LinkDocument {
    rel: String,
    href: String,
    #[serde(default)]
    for_href: Option<String>,
    #[serde(default)]
    hash_spec: Option<String>,
    /// Old servers have this alone.
    #[serde(default)]
    md5: Option<String>,
    #[serde(default)]
    hashes: Option<Map<String, Value>>,
    /// What became of it; old servers write odd things here.
    #[serde(default)]
    log: Value,
}

impl ReleaseDocument {
    fn into_release(self, version: &Version, base: &Url) -> Release {
        Release {
            name: self.name.unwrap_or_default(),
            version: version.clone(),
            links: self
                .links
                .into_iter()
                .filter_map(|link| link.into_link(base))
                .collect(),
            shadowed: self
                .shadowing
                .into_iter()
                .map(|shadowed| shadowed.into_release(version, base))
                .collect(),
        }
    }
}

impl LinkDocument {
    /// `None` for what is no place to download from.
    fn into_link(self, base: &Url) -> Option<Link> {
        let mut url = base.join(&self.href).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let mut hashes = Hashes::parse_fragment(url.fragment().unwrap_or_default());
        url.set_fragment(None);
        if let Some(md5) = &self.md5 {
            // What is no digest says nothing, here and below.
            let _ = hashes.insert(HashAlgorithm::Md5, md5);
        }
        let spec = Hashes::parse_fragment(self.hash_spec.as_deref().unwrap_or_default());
        for (algorithm, digest) in spec.iter() {
            let _ = hashes.insert(algorithm, digest);
        }
        for (name, digest) in self.hashes.iter().flatten() {
            if let Some(digest) = digest.as_str() {
                hashes.insert_named(name, digest);
            }
        }
        let of_url = self.for_href.and_then(|href| base.join(&href).ok());
        Some(Link {
            kind: match self.rel.as_str() {
                "releasefile" => LinkKind::File,
                "doczip" => LinkKind::Documentation,
                "toxresult" => LinkKind::TestResult,
                _ => LinkKind::Other,
            },
            of_url: of_url.map(|mut url| {
                url.set_fragment(None);
                url
            }),
            url,
            hashes,
            uploaded: latest(&self.log),
        })
    }
}

/// The latest time in the log of a link: of its upload, or of its way here from another index.
fn latest(log: &Value) -> Option<Timestamp> {
    let entries = log.as_array()?.iter();
    entries.filter_map(|entry| time(entry.get("when")?)).max()
}

/// A time as servers write it: six numbers in UTC; old ones wrote ISO 8601.
fn time(when: &Value) -> Option<Timestamp> {
    let civil = match when {
        Value::String(text) => text.trim_end_matches('Z').parse().ok()?,
        Value::Array(numbers) => {
            let number = |position: usize| numbers.get(position)?.as_i64();
            let part = |position| number(position).and_then(|number| i8::try_from(number).ok());
            DateTime::new(
                i16::try_from(number(0)?).ok()?,
                part(1)?,
                part(2)?,
                part(3)?,
                part(4)?,
                part(5)?,
                0,
            )
            .ok()?
        }
        _ => return None,
    };
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The URL of a project on an index, or of a release of a project, with a slash at the end of a project's.
pub(crate) fn url_below(index: &Url, project: &str, version: Option<&Version>) -> Url {
    let mut url = index.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        segments.push(project);
        segments.push(version.map_or("", Version::as_str));
    }
    url
}

impl Server {
    /// The names of the projects that an index itself has, sorted.
    ///
    /// # Errors
    /// No answer, or the server's refusal; [`Error::Refused`] with 404 for an index that is not there.
    pub async fn projects(&self, index: &Url) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            projects: Vec<String>,
        }
        let answer = self.request_url(Method::GET, index.clone()).send().await?;
        let mut document: Document = answer.read("indexconfig")?;
        document.projects.sort();
        Ok(document.projects)
    }

    /// A project as an index shows it; `inherited` or only what the index itself has of it.
    ///
    /// # Errors
    /// As [`Server::projects`]; also 404 for a project that is not there.
    pub async fn project(
        &self,
        index: &Url,
        project: &ProjectName,
        inherited: bool,
    ) -> Result<Project, Error> {
        let mut url = url_below(index, project.normalized(), None);
        if !inherited {
            url.set_query(Some("ignore_bases="));
        }
        let answer = self.request_url(Method::GET, url).send().await?;
        let base = answer.url.clone();
        Project::read(&answer.expect("projectconfig")?, &base)
    }

    /// Removes a project from an index, with all its releases. `force`: also where files are there to stay.
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn remove_project(
        &self,
        index: &Url,
        project: &ProjectName,
        force: bool,
    ) -> Result<(), Error> {
        self.remove(url_below(index, project.normalized(), None), force)
            .await
    }

    /// Removes a release from an index, with its files. `force` as for [`Server::remove_project`].
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn remove_release(
        &self,
        index: &Url,
        project: &ProjectName,
        version: &Version,
        force: bool,
    ) -> Result<(), Error> {
        let url = url_below(index, project.normalized(), Some(version));
        self.remove(url, force).await
    }

    /// Removes a file, a test result or documentation. `force` as for [`Server::remove_project`].
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn remove_file(&self, file: &Url, force: bool) -> Result<(), Error> {
        self.remove(file.clone(), force).await
    }

    async fn remove(&self, url: Url, force: bool) -> Result<(), Error> {
        let url = if force { forced(url) } else { url };
        let answer = self.request_url(Method::DELETE, url).send().await?;
        answer.accepted().map(drop)
    }
}

/// The URL that also removes what is there to stay.
pub(crate) fn forced(mut url: Url) -> Url {
    url.query_pairs_mut().append_pair("force", "");
    url
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn project(document: &Value) -> Project {
        let url = "http://shop.test/bob/dev/pkg/".parse().unwrap();
        Project::read(document, &url).unwrap()
    }

    #[test]
    fn releases_are_read_from_old_and_new_servers_newest_first() {
        use LinkKind::{Documentation, File, Other, TestResult};
        let digest = "a".repeat(64);
        let project = project(&json!({
            "1.9": {"name": "Pkg", "+links": [
                {"rel": "releasefile", "href": "http://shop.test/bob/dev/+f/1/pkg-1.9.zip#md5=00000000000000000000000000000000",
                 "hash_spec": format!("sha256={digest}"), "log": [{"when": "2014", "what": 5}]},
                {"rel": "toxresult", "href": "../+f/1/r-0", "for_href": "../+f/1/pkg-1.9.zip"},
                {"rel": "toxresult", "href": "../+f/1/r-1", "for_href": "http://shop.test/bob/dev/+f/1/pkg-1.9.zip"},
                {"rel": "doczip", "href": "http://shop.test/d"},
                {"rel": "mystery", "href": "http://shop.test/m"},
                {"rel": "releasefile", "href": "file:///etc/passwd"},
            ], "+shadowing": [{"name": "pkg", "+links": []}]},
            "1.10": {},
            "final": {"name": null},
            "a/b": {},
        }));
        let versions: Vec<_> = project
            .releases
            .iter()
            .map(|r| r.version.as_str())
            .collect();
        assert_eq!(versions, ["1.10", "1.9", "final"]);
        let release = &project.releases[1];
        assert_eq!(release.name, "Pkg");
        assert_eq!(release.shadowed[0].version.as_str(), "1.9");
        let kinds: Vec<_> = release.links.iter().map(|link| link.kind).collect();
        assert_eq!(kinds, [File, TestResult, TestResult, Documentation, Other]);
        let file = &release.links[0];
        assert_eq!(
            file.url.as_str(),
            "http://shop.test/bob/dev/+f/1/pkg-1.9.zip"
        );
        assert_eq!(
            file.hashes.get(HashAlgorithm::Sha256),
            Some(digest.as_str())
        );
        assert!(file.hashes.get(HashAlgorithm::Md5).is_some());
        let results: Vec<_> = release
            .test_results_of(&file.url)
            .map(Link::base_name)
            .collect();
        assert_eq!(results, ["r-1", "r-0"]);
    }

    #[test]
    fn names_from_servers_are_names_or_nothing() {
        for (url, name) in [
            ("http://h.test/a/pkg-1%2B2.zip", Some("pkg-1+2.zip")),
            ("http://h.test/a/..%2f..%2fetc%2fpasswd", None),
            ("http://h.test/a/%2e%2e", None),
            ("http://h.test/a/x%00y", None),
            ("http://h.test/a/", None),
        ] {
            let link = Link {
                kind: LinkKind::File,
                url: url.parse().unwrap(),
                of_url: None,
                hashes: Hashes::new(),
                uploaded: None,
            };
            assert_eq!(link.file_name().as_deref(), name, "{url}");
        }
    }

    #[test]
    fn a_file_is_as_old_as_its_last_way_here() {
        for (log, time) in [
            (json!(null), None),
            (json!([{"what": "upload", "when": 5}]), None),
            (
                json!([{"what": "upload", "when": [2026, 13, 1, 0, 0, 0]}]),
                None,
            ),
            (
                json!([
                    {"what": "upload", "when": [2025, 11, 22, 11, 38, 57]},
                    {"what": "push", "when": [2026, 1, 2, 3, 4, 5]},
                ]),
                Some("2026-01-02T03:04:05Z"),
            ),
            (
                json!([{"what": "upload", "when": "2014-08-01T10:11:12"}]),
                Some("2014-08-01T10:11:12Z"),
            ),
        ] {
            let time: Option<Timestamp> = time.map(|time| time.parse().unwrap());
            assert_eq!(latest(&log), time, "{log}");
        }
    }

    #[test]
    fn urls_of_projects_and_releases() {
        let index: Url = "http://shop.test/bob/dev".parse().unwrap();
        let version = Version::parse("1.0+x").unwrap();
        for index in [index.clone(), index.join("dev/").unwrap()] {
            assert_eq!(
                url_below(&index, "Pkg", None).as_str(),
                "http://shop.test/bob/dev/Pkg/"
            );
            let url = forced(url_below(&index, "Pkg", Some(&version)));
            assert_eq!(url.as_str(), "http://shop.test/bob/dev/Pkg/1.0+x?force=");
        }
    }

    #[tokio::test]
    async fn projects_are_listed_and_removed() {
        use crate::canned::{Canned, answer};

        let json = |body: &str| {
            answer(
                "200 OK",
                &["Content-Type: application/json"],
                body.as_bytes(),
            )
        };
        let canned = Canned::start(vec![
            json(r#"{"type": "indexconfig", "result": {"projects": ["b", "a"]}}"#),
            json(r#"{"type": "projectconfig", "result": {"1.0": {"name": "Pkg"}}}"#),
            json("{}"),
            json("{}"),
            answer("403 Forbidden", &[], b""),
        ]);
        let server = canned.server();
        let index = canned.url.parse::<Url>().unwrap().join("bob/dev").unwrap();
        let name = ProjectName::parse("Pkg_Name").unwrap();
        let version = Version::parse("1.0").unwrap();
        assert_eq!(server.projects(&index).await.unwrap(), ["a", "b"]);
        let project = server.project(&index, &name, false).await.unwrap();
        assert_eq!(project.releases[0].name, "Pkg");
        server.remove_project(&index, &name, false).await.unwrap();
        server
            .remove_release(&index, &name, &version, true)
            .await
            .unwrap();
        let refused = server.remove_file(&index, false).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { status: 403, .. }));
        let asked: Vec<_> = canned
            .asked()
            .iter()
            .map(|asked| asked.head.lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(
            asked,
            [
                "get /bob/dev http/1.1",
                "get /bob/dev/pkg-name/?ignore_bases= http/1.1",
                "delete /bob/dev/pkg-name/ http/1.1",
                "delete /bob/dev/pkg-name/1.0?force= http/1.1",
                "delete /bob/dev http/1.1",
            ]
        );
    }
}
