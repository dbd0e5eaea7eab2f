//! Project pages of upstreams: from the wire, and to and from what is stored.

use std::collections::HashMap;

use cheeseshop_packaging::ProjectName;
use cheeseshop_packaging::Sha256;
use cheeseshop_packaging::simple::{ProjectPage, looks_like_json};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use sha2::Digest;
use url::Url;

use super::source::without_userinfo;
use super::upstream::{UpstreamError, unpack};

/// Speed over size: a page of 5,000 files takes a few milliseconds.
const LEVEL: i32 = 3;

/// Bodies up to this size are not worth a trip to another thread.
const SMALL_BODY: usize = 32 * 1024;

/// Runs work on bytes where it does not hold up others: on a blocking thread unless it is small.
///
/// # Errors
/// When that thread was lost.
pub(super) async fn off_thread<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    if size <= SMALL_BODY {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

/// A page and its stored form.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) page: ProjectPage,
    /// The page as JSON; its digest tells whether two pages are the same.
    pub(super) json: Vec<u8>,
    pub(super) digest: Sha256,
}

impl Document {
    pub(super) fn of(page: ProjectPage) -> Self {
        let json = page.to_json();
        let digest = Sha256(sha2::Sha256::digest(&json).into());
        Self { page, json, digest }
    }
}

/// A body as it came from an upstream.
pub(super) struct Body {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
    /// Where it came from, after redirects.
    pub(super) url: Url,
    pub(super) limit: u64,
}

/// Reads a project page, JSON or HTML. Blocks for large pages.
pub(super) fn read_page(
    body: Body,
    project: &ProjectName,
    previous: Option<&ProjectPage>,
    now: Timestamp,
) -> Result<ProjectPage, UpstreamError> {
    let bytes = unpack(&body.headers, body.bytes, body.limit)?;
    let base = without_userinfo(body.url);
    let mut page = if is_json(&body.headers, &bytes) {
        let mut page = ProjectPage::parse_json(&bytes, &base)
            .map_err(|error| UpstreamError::NotAPage(error.into()))?;
        project.normalized().clone_into(&mut page.name);
        page
    } else {
        let mut page = ProjectPage::parse_html(&bytes, &base)
            .map_err(|error| UpstreamError::NotAPage(error.into()))?;
        page.restrict_to(project);
        if page.files.is_empty() && !says_that_it_lists(&bytes) {
            // Small servers say nothing at all of a project without releases. Broken ones do so of
            // any project: files that are known are not given up for that.
            let nothing_is_known = previous.is_none_or(|page| page.files.is_empty());
            if !(bytes.trim_ascii().is_empty() && nothing_is_known) {
                return Err(UpstreamError::Unusable("an HTML page that lists no files"));
            }
        }
        page
    };
    drop(bytes);
    page.complete_versions();
    remove_credentials(&mut page);
    fill_upload_times(&mut page, previous, now);
    Ok(page)
}

/// Whether a body is one of the Simple API in JSON.
pub(super) fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    looks_like_json(content_type, body)
}

/// Whether an HTML page without files is at least a page of an index: any server answers with
/// some HTML when it wants a login or is broken, and that must not pass for an empty project.
fn says_that_it_lists(html: &[u8]) -> bool {
    const MARKS: [&str; 4] = ["pypi:", "links for", "simple index", "index of"];
    let head = &html[..html.len().min(SMALL_BODY)];
    let text = String::from_utf8_lossy(head).to_lowercase();
    MARKS.iter().any(|mark| text.contains(mark))
}

/// Links lose user information. A link back to the origin of `mirror_url` gets the credentials
/// again when it is followed; others never had any business with them.
fn remove_credentials(page: &mut ProjectPage) {
    for file in &mut page.files {
        let authority_has_at = file
            .url
            .split_once("//")
            .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
            .is_some_and(|authority| authority.contains('@'));
        if authority_has_at && let Ok(url) = Url::parse(&file.url) {
            file.url = without_userinfo(url).into();
        }
    }
}

/// Installers' cooldowns drop files without an upload time. Where the upstream gives none the
/// time stands in at which the file was first seen here.
fn fill_upload_times(page: &mut ProjectPage, previous: Option<&ProjectPage>, now: Timestamp) {
    if page.files.iter().all(|file| file.upload_time.is_some()) {
        return;
    }
    // As JSON keeps it, so that a page reads back equal.
    let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let seen: HashMap<&str, Timestamp> = previous
        .into_iter()
        .flat_map(|page| &page.files)
        .filter_map(|file| Some((file.filename.as_str(), file.upload_time?)))
        .collect();
    for file in &mut page.files {
        if file.upload_time.is_none() {
            file.upload_time = Some(seen.get(file.filename.as_str()).copied().unwrap_or(now));
        }
    }
}

/// Packs text for storing. Blocks.
pub(super) fn pack(text: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::encode_all(text, LEVEL)
}

/// Undoes [`pack`]. Blocks.
pub(super) fn unpack_stored(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::decode_all(packed)
}

/// Reads a stored page. Blocks.
pub(super) fn read_stored(packed: &[u8], source: &str) -> Option<Document> {
    let json = unpack_stored(packed).ok()?;
    let base = Url::parse(source).ok()?;
    let page = ProjectPage::parse_json(&json, &base).ok()?;
    let digest = Sha256(sha2::Sha256::digest(&json).into());
    Some(Document { page, json, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn body(text: &str, content_type: &str) -> Body {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Body {
            headers,
            bytes: text.as_bytes().to_vec(),
            url: "https://me:pw@a.test/simple/flask/".parse().unwrap(),
            limit: 1 << 20,
        }
    }

    fn flask() -> ProjectName {
        ProjectName::parse("flask").unwrap()
    }

    #[test]
    fn links_become_absolute_and_lose_credentials() {
        let html = r#"<a href="../../f/flask-1.0.tar.gz#md5=900150983cd24fb0d6963f7d28e17f72">flask-1.0.tar.gz</a>
            <a href="https://u:p@b.test/flask-2.0.tar.gz">flask-2.0.tar.gz</a>
            <a href="other-1.0.tar.gz">other-1.0.tar.gz</a>"#;
        let page = read_page(body(html, "text/html"), &flask(), None, NOW).unwrap();
        let urls: Vec<&str> = page.files.iter().map(|file| file.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://a.test/f/flask-1.0.tar.gz",
                "https://b.test/flask-2.0.tar.gz"
            ]
        );
        assert_eq!(page.versions, ["1.0", "2.0"]);
    }

    #[test]
    fn a_stored_page_reads_back_the_same() {
        let json = r#"{"meta":{"api-version":"1.4","_last-serial":7},"name":"Flask","versions":["1.0"],
            "files":[{"filename":"flask-1.0.tar.gz","url":"x/flask-1.0.tar.gz","hashes":{},"size":5}]}"#;
        let page = read_page(body(json, "application/json"), &flask(), None, NOW).unwrap();
        let document = Document::of(page);
        assert_eq!(document.page.name, "flask");
        assert_eq!(document.page.last_serial, Some(7));
        let packed = pack(&document.json).unwrap();
        let back = read_stored(&packed, "https://a.test/simple/").unwrap();
        assert_eq!(back.page, document.page);
        assert_eq!(back.digest, document.digest);
        assert!(read_stored(b"damaged", "https://a.test/simple/").is_none());
    }

    #[test]
    fn a_missing_upload_time_is_when_the_file_was_first_seen() {
        let page = |name: &str| format!(r#"<a href="{name}">{name}</a>"#);
        let first = body(&page("flask-1.0.tar.gz"), "text/html");
        let first = read_page(first, &flask(), None, NOW).unwrap();
        let later = Timestamp::from_second(1000).unwrap();
        let both = page("flask-1.0.tar.gz") + &page("flask-2.0.tar.gz");
        let second = body(&both, "text/html");
        let second = read_page(second, &flask(), Some(&first), later).unwrap();
        let times: Vec<_> = second.files.iter().map(|file| file.upload_time).collect();
        assert_eq!(times, [Some(NOW), Some(later)]);
    }

    #[test]
    fn a_page_without_files_must_look_like_one() {
        for (html, is_page) in [
            ("<html><title>Links for flask</title></html>", true),
            (
                "<meta name=\"pypi:repository-version\" content=\"1.0\">",
                true,
            ),
            (
                "<h1>Index of /simple/flask</h1><a href='../'>Parent</a>",
                true,
            ),
            ("<html><form>Please log in</form></html>", false),
            ("", true),
            (" \n", true),
        ] {
            let result = read_page(body(html, "text/html"), &flask(), None, NOW);
            assert_eq!(result.is_ok(), is_page, "{html}");
        }
    }

    #[test]
    fn an_empty_answer_does_not_take_known_files_away() {
        let html = "<a href='flask-1.0.tar.gz'>flask-1.0.tar.gz</a>";
        let known = read_page(body(html, "text/html"), &flask(), None, NOW).unwrap();
        let empty = |previous| read_page(body("\n", "text/html"), &flask(), previous, NOW);
        assert!(matches!(
            empty(Some(&known)),
            Err(UpstreamError::Unusable(_))
        ));
        let without_files = empty(None).unwrap();
        assert!(empty(Some(&without_files)).is_ok());
    }

    #[test]
    fn nonsense_is_not_a_page() {
        let result = read_page(body("{\"x\"", "application/json"), &flask(), None, NOW);
        assert!(matches!(result, Err(UpstreamError::NotAPage(_))));
    }
}
