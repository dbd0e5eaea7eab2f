//! A flat list of links to files, for pip's `--find-links`. It is no page of
//! the Simple API, but its links carry the same attributes, which installers
//! read there too. Written piece by piece: it may have any number of links.

use super::html_write;
use super::project_page::PageFile;

/// A list in the making. What it gives is to be sent in order.
#[derive(Debug)]
pub struct LinkList {
    is_empty: bool,
}

impl LinkList {
    /// Begins a list; the bytes are its head.
    pub fn begin(title: &str) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        html_write::open_links(&mut out, title);
        (Self { is_empty: true }, out)
    }

    /// Adds a link to these bytes.
    pub fn add(&mut self, out: &mut Vec<u8>, file: &PageFile) {
        self.is_empty = false;
        html_write::file(out, file);
    }

    /// Adds the end to these bytes.
    pub fn end(self, out: &mut Vec<u8>) {
        html_write::close_links(out, self.is_empty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simple::{CoreMetadataMark, Yanked};

    #[test]
    fn a_list_has_a_head_links_and_an_end() {
        let (mut list, mut out) = LinkList::begin("bob/dev: <all>");
        let file = PageFile {
            filename: "a-1.0.zip".to_owned(),
            url: "http://h.test/bob/dev/+f/a&b/a-1.0.zip".to_owned(),
            requires_python: Some(">=3.9".to_owned()),
            yanked: Yanked::Yes(Some("old".to_owned())),
            core_metadata: CoreMetadataMark::Absent,
            origin: Some("bob/dev".to_owned()),
            ..PageFile::default()
        };
        list.add(&mut out, &file);
        list.end(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>bob/dev: &lt;all&gt;</title></head><body><h1>bob/dev: &lt;all&gt;</h1>\n\
             bob/dev <a href=\"http://h.test/bob/dev/+f/a&amp;b/a-1.0.zip\" \
             data-requires-python=\"&gt;=3.9\" data-yanked=\"old\">a-1.0.zip</a><br>\n\
             </body></html>\n"
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        let (list, mut out) = LinkList::begin("x");
        list.end(&mut out);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("<p>No releases.</p>")
        );
    }
}
