//! Where an upstream's links lead.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

/// Resolves links against the address of the document they stand in.
pub(super) struct Locator {
    base: Url,
}

impl Locator {
    /// Starts from a document's address. Its user name and password are
    /// forgotten, so that no link inherits them.
    pub(super) fn new(base: &Url) -> Self {
        let mut base = base.clone();
        // These fail only for addresses that can hold no credentials.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        Self { base }
    }

    /// Follows a `<base href>`, if it leads to the web.
    pub(super) fn rebase(&mut self, href: &str) {
        if let Ok(base) = self.base.join(href.trim())
            && is_web(&base)
        {
            *self = Self::new(&base);
        }
    }

    /// Resolves a link. Answers the absolute URL without its fragment, and
    /// the fragment. `None` for all that is not `http` or `https`.
    pub(super) fn join(&self, link: &str) -> Option<(String, Option<String>)> {
        let mut url = self.base.join(link.trim()).ok()?;
        if !is_web(&url) {
            return None;
        }
        let fragment = url.fragment().map(str::to_owned);
        url.set_fragment(None);
        Some((url.into(), fragment))
    }

    /// The URL if it is a complete `https` one.
    pub(super) fn secure(link: &str) -> Option<String> {
        let url = Url::parse(link.trim()).ok()?;
        (url.scheme() == "https").then(|| url.into())
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// The last segment of a URL's path that is not empty, decoded.
pub(super) fn last_segment(url: &Url) -> Option<String> {
    url.path_segments()?
        .rfind(|segment| !segment.is_empty())
        .and_then(decode)
        .map(Cow::into_owned)
}

/// The last segment of an absolute URL as a file name: `None` for folders.
pub(super) fn file_name(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let (_, segment) = path.rsplit_once('/')?;
    decode(segment).map(Cow::into_owned)
}

/// The project name that a link of a project list may mean: its last segment
/// that is not empty. Works on the text, since lists have 600,000 links.
pub(super) fn project_segment(link: &str) -> Option<Cow<'_, str>> {
    let path = link.split(['?', '#']).next()?.trim();
    if let Some((scheme, _)) = path.split_once(':')
        && !scheme.eq_ignore_ascii_case("http")
        && !scheme.eq_ignore_ascii_case("https")
    {
        return None;
    }
    decode(path.rsplit('/').find(|segment| !segment.is_empty())?)
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_into_the_web_survive() {
        let base = Url::parse("https://bob:secret@index.example/simple/a/").unwrap();
        let locator = Locator::new(&base);
        for (link, url) in [
            ("a-1.zip", Some("https://index.example/simple/a/a-1.zip")),
            ("../../f/a-1.zip", Some("https://index.example/f/a-1.zip")),
            ("/f/a-1.zip", Some("https://index.example/f/a-1.zip")),
            (
                "//files.example/a-1.zip",
                Some("https://files.example/a-1.zip"),
            ),
            (
                "http://files.example/a-1.zip",
                Some("http://files.example/a-1.zip"),
            ),
            (
                " HTTPS://files.example/a-1.zip\n",
                Some("https://files.example/a-1.zip"),
            ),
            (
                "https://x:y@files.example/a",
                Some("https://x:y@files.example/a"),
            ),
            ("?a=1", Some("https://index.example/simple/a/?a=1")),
            ("javascript:alert(1)", None),
            ("java\nscript:alert(1)", None),
            ("data:text/html,x", None),
            ("file:///etc/passwd", None),
            ("ftp://files.example/a", None),
            ("mailto:a@b.example", None),
            ("https://", None),
            ("https://[", None),
        ] {
            let joined = locator.join(link).map(|(url, _)| url);
            assert_eq!(joined.as_deref(), url, "{link:?}");
        }
    }

    #[test]
    fn fragments_are_split_off() {
        let locator = Locator::new(&Url::parse("https://index.example/").unwrap());
        assert_eq!(
            locator.join("a.zip#sha256=00"),
            Some((
                "https://index.example/a.zip".into(),
                Some("sha256=00".into())
            ))
        );
    }

    #[test]
    fn a_base_element_leads_only_into_the_web() {
        let mut locator = Locator::new(&Url::parse("https://index.example/simple/a/").unwrap());
        for (href, joined) in [
            ("javascript:x", "https://index.example/simple/a/f"),
            ("/files/", "https://index.example/files/f"),
            ("http://files.example/x/y", "http://files.example/x/f"),
        ] {
            locator.rebase(href);
            assert_eq!(locator.join("f").unwrap().0, joined);
        }
    }

    #[test]
    fn provenance_is_secure_and_complete() {
        for (link, kept) in [
            ("https://index.example/p", true),
            ("http://index.example/p", false),
            ("/p", false),
            ("javascript:x", false),
        ] {
            assert_eq!(Locator::secure(link).is_some(), kept, "{link}");
        }
    }

    #[test]
    fn names_are_taken_from_the_last_segment() {
        for (url, name) in [
            ("https://h.example/a/b-1.zip", Some("b-1.zip")),
            ("https://h.example/a/b%2B1.zip?x=/y", Some("b+1.zip")),
            ("https://h.example/a/", Some("")),
            ("https://h.example/a/%ff", None),
            ("https://h.example/a/..%2fb", Some("../b")),
        ] {
            assert_eq!(file_name(url).as_deref(), name, "{url}");
        }
        for (link, name) in [
            ("flask/", Some("flask")),
            ("/simple/flask/", Some("flask")),
            ("https://h.example/simple/flask/?x#y", Some("flask")),
            ("flask", Some("flask")),
            ("javascript:flask", None),
            ("", None),
            ("//", None),
        ] {
            assert_eq!(project_segment(link).as_deref(), name, "{link}");
        }
        let url = Url::parse("https://h.example/simple/My%2EPkg/").unwrap();
        assert_eq!(last_segment(&url).as_deref(), Some("My.Pkg"));
    }
}
