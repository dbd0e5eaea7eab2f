//! The list of an index's projects.

use super::name_list::NamePacker;
use super::{NameList, PageError, html_read, html_write, json_read, json_write};
use crate::name::{MAX_NAME_LENGTH, ProjectName};

/// Bytes of a JSON list for one of its names, about: PyPI has 3, the tersest form 2.
const JSON_OVERHEAD: usize = 3;

/// The same of an HTML list, which says each name twice.
const HTML_OVERHEAD: usize = 4;

/// The projects of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectList {
    /// Normalized names.
    pub names: NameList,
    /// The newest serial of the index, if told.
    pub last_serial: Option<u64>,
}

impl ProjectList {
    /// Reads a JSON list. Names that no project can have are ignored.
    pub fn parse_json(body: &[u8]) -> Result<Self, PageError> {
        let mut names = NamePacker::with_capacity(body.len() / JSON_OVERHEAD);
        let last_serial = json_read::list(body, |name| push_normalized(&mut names, name))?;
        Ok(Self {
            names: names.finish(),
            last_serial,
        })
    }

    /// Reads an HTML list. Names that no project can have are ignored.
    pub fn parse_html(body: &[u8]) -> Result<Self, PageError> {
        let mut names = NamePacker::with_capacity(body.len() / HTML_OVERHEAD);
        html_read::list(body, |name| push_normalized(&mut names, name))?;
        Ok(Self {
            names: names.finish(),
            last_serial: None,
        })
    }

    /// Writes the list as JSON 1.4.
    pub fn to_json(&self) -> Vec<u8> {
        Self::write_json(self.names.iter(), self.last_serial)
    }

    /// Writes the list as HTML 1.4 under the given title. Links are relative to the list's own address.
    pub fn to_html(&self, title: &str) -> Vec<u8> {
        Self::write_html(self.names.iter(), title)
    }

    /// As [`Self::to_json`], for normalized names that are kept elsewhere: hundreds of thousands
    /// of them need not be copied to be written.
    pub fn write_json<'a>(
        names: impl ExactSizeIterator<Item = &'a str>,
        last_serial: Option<u64>,
    ) -> Vec<u8> {
        json_write::list(names, last_serial)
    }

    /// As [`Self::to_html`], for normalized names that are kept elsewhere.
    pub fn write_html<'a>(names: impl ExactSizeIterator<Item = &'a str>, title: &str) -> Vec<u8> {
        html_write::list(names, title)
    }
}

fn push_normalized(names: &mut NamePacker, name: &str) {
    if is_normalized(name.as_bytes()) {
        names.push(name);
    } else if let Ok(name) = ProjectName::parse(name.trim()) {
        names.push(name.normalized());
    }
}

/// Whether a name is legal and normalized, which nearly all of a list are.
fn is_normalized(name: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return false;
    };
    name.len() <= MAX_NAME_LENGTH
        && plain(*first)
        && plain(*last)
        && name.iter().all(|byte| plain(*byte) || *byte == b'-')
        && !name.windows(2).any(|pair| pair == b"--")
}
