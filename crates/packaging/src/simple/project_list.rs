//! The list of an index's projects.

use std::sync::Arc;

use super::{PageError, html_read, html_write, json_read, json_write};
use crate::name::{MAX_NAME_LENGTH, ProjectName};

/// The projects of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectList {
    /// Normalized names; sorted and without duplicates when read.
    pub names: Vec<Arc<str>>,
    /// The newest serial of the index, if told.
    pub last_serial: Option<u64>,
}

impl ProjectList {
    /// Reads a JSON list. Names that no project can have are ignored.
    pub fn parse_json(body: &[u8]) -> Result<Self, PageError> {
        let mut list = Self::default();
        list.last_serial = json_read::list(body, |name| list.names.extend(normalized(name)))?;
        list.finish();
        Ok(list)
    }

    /// Reads an HTML list. Names that no project can have are ignored.
    pub fn parse_html(body: &[u8]) -> Result<Self, PageError> {
        let mut list = Self::default();
        html_read::list(body, |name| list.names.extend(normalized(name)))?;
        list.finish();
        Ok(list)
    }

    /// Writes the list as JSON 1.4, in the order of `names`.
    pub fn to_json(&self) -> Vec<u8> {
        Self::write_json(self.names.iter().map(|name| &**name), self.last_serial)
    }

    /// Writes the list as HTML 1.4 under the given title, in the order of
    /// `names`. Links are relative to the list's own address.
    pub fn to_html(&self, title: &str) -> Vec<u8> {
        Self::write_html(self.names.iter().map(|name| &**name), title)
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

    fn finish(&mut self) {
        // Lists come sorted or nearly so, which this sort notices.
        self.names.sort();
        self.names.dedup();
        self.names.shrink_to_fit();
    }
}

fn normalized(name: &str) -> Option<Arc<str>> {
    if is_normalized(name.as_bytes()) {
        return Some(Arc::from(name));
    }
    let name = ProjectName::parse(name.trim()).ok()?;
    Some(name.normalized_shared())
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
