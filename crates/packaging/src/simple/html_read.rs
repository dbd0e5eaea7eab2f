//! Reading HTML pages and lists. Only anchors, `<base href>` and a few
//! `<meta>` elements mean anything; markup that is not well-formed is read as
//! browsers read it.

use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use url::Url;

use super::PageError;
use super::location::{self, Locator};
use super::project_page::{CoreMetadataMark, PageFile, ProjectPage, ProjectStatus, Status, Yanked};
use crate::filename;
use crate::hash::Hashes;

/// Reads a project page.
pub(super) fn page(body: &[u8], base: &Url) -> Result<ProjectPage, PageError> {
    let mut locator = Locator::new(base);
    let mut has_base = false;
    let mut page = ProjectPage::default();
    let mut head = Head::default();
    read(body, |element| match element {
        Element::Base(href) if !has_base => {
            // HTML heeds only the first.
            has_base = true;
            locator.rebase(href);
        }
        Element::Base(_) => {}
        Element::Meta { name, content } => head.meta(name, content),
        Element::Anchor { attributes, .. } => page.files.extend(file(&locator, attributes)),
    });
    page.status = head.finish()?;
    Ok(page)
}

/// Reads a project list and calls back with every name.
///
/// PEP 503 wants the name as the text of the anchor; where that cannot be a
/// name the link's last segment is given.
pub(super) fn list(body: &[u8], mut found: impl FnMut(&str)) -> Result<(), PageError> {
    let mut head = Head::default();
    read(body, |element| match element {
        Element::Base(_) => {}
        Element::Meta { name, content } => head.meta(name, content),
        Element::Anchor { attributes, text } => {
            let Some(segment) = attributes.get(HREF).and_then(location::project_segment) else {
                return;
            };
            let text = text.trim();
            let is_name = !text.is_empty() && crate::ProjectName::parse(text).is_ok();
            found(if is_name { text } else { &segment });
        }
    });
    head.finish().map(drop)
}

fn file(locator: &Locator, attributes: &Attributes) -> Option<PageFile> {
    let (url, fragment) = locator.join(attributes.get(HREF)?)?;
    let filename = location::file_name(&url)?;
    if !filename::is_distribution(&filename) {
        return None;
    }
    let text = |attribute| attributes.get(attribute).map(str::trim);
    let core_metadata = text(CORE_METADATA).or_else(|| text(DIST_INFO_METADATA));
    Some(PageFile {
        filename,
        url,
        hashes: Hashes::parse_fragment(&fragment.unwrap_or_default()),
        requires_python: text(REQUIRES_PYTHON)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        size: None,
        upload_time: None,
        yanked: match text(YANKED) {
            None => Yanked::No,
            Some("") => Yanked::Yes(None),
            Some(reason) => Yanked::Yes(Some(reason.to_owned())),
        },
        core_metadata: match core_metadata {
            None | Some("false") => CoreMetadataMark::Absent,
            Some(digests) => CoreMetadataMark::Available(Hashes::parse_fragment(digests)),
        },
        provenance: text(PROVENANCE).and_then(Locator::secure),
        gpg_sig: match text(GPG_SIG) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        origin: None,
    })
}

/// What the `<meta>` elements say.
#[derive(Default)]
struct Head {
    version: Option<String>,
    status: Option<Status>,
    reason: Option<String>,
}

impl Head {
    fn meta(&mut self, name: &str, content: &str) {
        match name {
            "pypi:repository-version" => self.version = Some(content.to_owned()),
            "pypi:project-status" => self.status = Status::find(content.trim()),
            "pypi:project-status-reason" => {
                self.reason = Some(content.to_owned()).filter(|reason| !reason.is_empty());
            }
            _ => {}
        }
    }

    /// Checks the version (absent means 1.0) and answers the status.
    fn finish(self) -> Result<Option<ProjectStatus>, PageError> {
        if let Some(version) = &self.version {
            super::check_version(version)?;
        }
        Ok(self.status.map(|status| ProjectStatus {
            status,
            reason: self.reason,
        }))
    }
}

/// What a document holds for us.
enum Element<'a> {
    Base(&'a str),
    Meta {
        name: &'a str,
        content: &'a str,
    },
    /// Told when it ends.
    Anchor {
        attributes: &'a Attributes,
        text: &'a str,
    },
}

const HREF: usize = 0;
const NAME: usize = 1;
const CONTENT: usize = 2;
const REQUIRES_PYTHON: usize = 3;
const YANKED: usize = 4;
const CORE_METADATA: usize = 5;
const DIST_INFO_METADATA: usize = 6;
const GPG_SIG: usize = 7;
const PROVENANCE: usize = 8;

/// The attributes that we know, at the positions above.
const ATTRIBUTES: [&[u8]; 9] = [
    b"href",
    b"name",
    b"content",
    b"data-requires-python",
    b"data-yanked",
    b"data-core-metadata",
    b"data-dist-info-metadata",
    b"data-gpg-sig",
    b"data-provenance",
];

/// The known attributes of one element. The texts' memory is used again for
/// the next element.
#[derive(Default)]
struct Attributes {
    values: [String; ATTRIBUTES.len()],
    is_given: [bool; ATTRIBUTES.len()],
    /// Where the next value belongs.
    current: Option<usize>,
}

impl Attributes {
    fn get(&self, attribute: usize) -> Option<&str> {
        self.is_given[attribute].then_some(self.values[attribute].as_str())
    }

    fn clear(&mut self) {
        self.is_given = [false; ATTRIBUTES.len()];
        self.current = None;
    }

    /// Of an attribute given twice the first counts, as in HTML.
    fn open(&mut self, name: &[u8]) {
        self.current = ATTRIBUTES
            .iter()
            .position(|known| *known == name)
            .filter(|position| !self.is_given[*position]);
        if let Some(position) = self.current {
            self.is_given[position] = true;
            self.values[position].clear();
        }
    }

    fn set(&mut self, value: &[u8]) {
        if let Some(position) = self.current.take() {
            self.values[position].push_str(&String::from_utf8_lossy(value));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Anchor,
    Base,
    Meta,
    Other,
}

/// Reads a document and calls back with its elements, in order.
fn read(body: &[u8], mut found: impl FnMut(Element<'_>)) {
    let mut tag = Tag::Other;
    let mut attributes = Attributes::default();
    let mut text = String::new();
    let mut in_anchor = false;
    let mut visit = |event: CallbackEvent<'_>, _: Span<()>| -> Option<Infallible> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                let next = match name {
                    b"a" => Tag::Anchor,
                    b"base" => Tag::Base,
                    b"meta" => Tag::Meta,
                    _ => Tag::Other,
                };
                if in_anchor && next == Tag::Other {
                    // Markup inside an anchor must not touch its attributes.
                    tag = Tag::Other;
                    return None;
                }
                if in_anchor {
                    end_anchor(&mut found, &attributes, &text);
                    in_anchor = false;
                }
                tag = next;
                attributes.clear();
            }
            CallbackEvent::AttributeName { name } if tag != Tag::Other => attributes.open(name),
            CallbackEvent::AttributeValue { value } if tag != Tag::Other => attributes.set(value),
            CallbackEvent::CloseStartTag { .. } => {
                match tag {
                    Tag::Anchor => {
                        in_anchor = true;
                        text.clear();
                    }
                    Tag::Base => {
                        if let Some(href) = attributes.get(HREF) {
                            found(Element::Base(href));
                        }
                    }
                    Tag::Meta => {
                        if let Some(name) = attributes.get(NAME) {
                            let content = attributes.get(CONTENT).unwrap_or_default();
                            found(Element::Meta { name, content });
                        }
                    }
                    Tag::Other => {}
                }
                // Attributes of end tags, which follow, mean nothing.
                tag = Tag::Other;
            }
            CallbackEvent::String { value } if in_anchor => {
                text.push_str(&String::from_utf8_lossy(value));
            }
            CallbackEvent::EndTag { name: b"a" } if in_anchor => {
                end_anchor(&mut found, &attributes, &text);
                in_anchor = false;
            }
            _ => {}
        }
        None
    };
    let mut emitter = CallbackEmitter::new(&mut visit);
    // Scripts and titles may contain what looks like anchors.
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(body, emitter).finish();
    if in_anchor {
        end_anchor(&mut found, &attributes, &text);
    }
}

fn end_anchor(found: &mut impl FnMut(Element<'_>), attributes: &Attributes, text: &str) {
    found(Element::Anchor { attributes, text });
}
