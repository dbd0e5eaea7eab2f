//! Simple API documents: to and from HTML (PEP 503, frozen at 1.4 by PEP 833)
//! and JSON (PEP 691, 700, 714, 740, 792).
//!
//! Documents are written straight into bytes and read without building trees:
//! a project page of 5,000 files and a list of 600,000 names are ordinary.

mod html_read;
mod html_write;
mod json_read;
mod json_write;
mod link_list;
mod location;
mod name_list;
mod project_list;
mod project_page;

pub use self::link_list::LinkList;
pub use self::name_list::NameList;
pub use self::project_list::ProjectList;
pub use self::project_page::{
    CoreMetadataMark, PageFile, ProjectPage, ProjectStatus, Status, Yanked,
};

use crate::shown::shown;

/// The version of the Simple API that we emit, for pages that have all that it demands.
pub const API_VERSION: &str = "1.4";

/// The version of JSON pages on which a file has no `size`: from 1.1 on (PEP 700) it is mandatory.
/// Keys of later versions may stand there all the same, since readers skip what they do not know.
const API_VERSION_WITHOUT_SIZES: &str = "1.0";

/// Why a Simple API document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The JSON is not well-formed or lacks the document's structure.
    #[error("the page is not a Simple API document in JSON")]
    Json(#[source] serde_json::Error),
    /// The document says that it has another major version than 1.
    #[error("the page has the unsupported Simple API version `{}`", shown(.0))]
    UnsupportedVersion(String),
}

/// Whether a body is JSON: by its media type, else by its first character.
///
/// Some servers say `application/json`, some nothing useful at all.
pub fn looks_like_json(content_type: Option<&str>, body: &[u8]) -> bool {
    let media_type = content_type
        .and_then(|text| text.split(';').next())
        .map(|text| text.trim().to_ascii_lowercase())
        .unwrap_or_default();
    if media_type.ends_with("+json") || media_type == "application/json" {
        return true;
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Checks what a document says about its version: any 1.x will do.
fn check_version(version: &str) -> Result<(), PageError> {
    if version.trim().split('.').next() == Some("1") {
        Ok(())
    } else {
        Err(PageError::UnsupportedVersion(shown(version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognized_by_type_or_by_its_first_character() {
        for (content_type, body, expected) in [
            (Some("application/vnd.pypi.simple.v1+json"), "", true),
            (
                Some("application/vnd.pypi.simple.v1+json; charset=utf-8"),
                "",
                true,
            ),
            (Some("Application/JSON"), "", true),
            (Some("text/html"), "<!DOCTYPE html>", false),
            (Some("text/html"), " \n{\"meta\":{}}", true),
            (Some("text/plain"), "\u{feff}{", true),
            (None, "{}", true),
            (None, "<a href=x>", false),
            (None, "", false),
            (Some("application/jsonp"), "x", false),
        ] {
            assert_eq!(
                looks_like_json(content_type, body.as_bytes()),
                expected,
                "{content_type:?} {body:?}"
            );
        }
    }

    #[test]
    fn only_major_version_1_is_read() {
        for (version, accepted) in [
            ("1.0", true),
            ("1.4", true),
            ("1.99", true),
            ("1", true),
            (" 1.1 ", true),
            ("2.0", false),
            ("10.0", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(check_version(version).is_ok(), accepted, "{version}");
        }
    }
}
