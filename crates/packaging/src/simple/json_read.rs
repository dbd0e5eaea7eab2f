//! Reading JSON pages and lists: strict about the document's structure and
//! version, lenient about every single value, because upstreams differ.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use url::Url;

use super::PageError;
use super::location::Locator;
use super::project_page::{CoreMetadataMark, PageFile, ProjectPage, ProjectStatus, Status, Yanked};
use crate::hash::Hashes;

/// Reads a project page.
pub(super) fn page(body: &[u8], base: &Url) -> Result<ProjectPage, PageError> {
    let raw: RawPage<'_> = from_slice(body)?;
    let last_serial = raw.meta.check()?;
    let locator = Locator::new(base);
    Ok(ProjectPage {
        name: raw
            .name
            .into_text()
            .map(Cow::into_owned)
            .unwrap_or_default(),
        files: raw
            .files
            .into_iter()
            .filter_map(|file| file.into_file(&locator))
            .collect(),
        versions: match raw.versions {
            Value::List(versions) => versions
                .into_iter()
                .filter_map(|version| version.into_text().map(Cow::into_owned))
                .collect(),
            _ => Vec::new(),
        },
        status: project_status(&raw.project_status),
        last_serial,
    })
}

/// Reads a project list and calls back with every name, before the document is known to be whole.
pub(super) fn list(body: &[u8], found: impl FnMut(&str)) -> Result<Option<u64>, PageError> {
    let body = without_mark(body);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let meta = reader
        .deserialize_map(ListVisitor(found))
        .and_then(|meta| reader.end().map(|()| meta))
        .map_err(PageError::Json)?;
    meta.check()
}

fn from_slice<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, PageError> {
    serde_json::from_slice(without_mark(body)).map_err(PageError::Json)
}

/// A body without the byte order mark that some servers put first.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn project_status(value: &Value<'_>) -> Option<ProjectStatus> {
    Some(ProjectStatus {
        status: Status::find(value.find("status")?)?,
        reason: value
            .find("reason")
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
    })
}

#[derive(Deserialize)]
struct RawPage<'a> {
    meta: RawMeta<'a>,
    #[serde(borrow, default)]
    name: Value<'a>,
    #[serde(borrow)]
    files: Vec<RawFile<'a>>,
    #[serde(borrow, default)]
    versions: Value<'a>,
    #[serde(borrow, default, rename = "project-status")]
    project_status: Value<'a>,
}

/// Reads a list without keeping its projects: there may be a million of them.
struct ListVisitor<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for ListVisitor<F> {
    type Value = RawMeta<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of projects")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut meta = None;
        let mut has_projects = false;
        while let Some(key) = map.next_key::<Value<'de>>()? {
            match key.into_text().as_deref() {
                Some("meta") => meta = Some(map.next_value()?),
                Some("projects") => {
                    map.next_value_seed(ProjectsVisitor(&mut self.0))?;
                    has_projects = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !has_projects {
            return Err(A::Error::missing_field("projects"));
        }
        meta.ok_or_else(|| A::Error::missing_field("meta"))
    }
}

struct ProjectsVisitor<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for ProjectsVisitor<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for ProjectsVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of projects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut projects: A) -> Result<(), A::Error> {
        while let Some(project) = projects.next_element::<RawProject<'de>>()? {
            if let Value::Text(name) = project.name {
                (self.0)(&name);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RawProject<'a> {
    #[serde(borrow, default)]
    name: Value<'a>,
}

#[derive(Deserialize)]
struct RawMeta<'a> {
    #[serde(borrow, default, rename = "api-version")]
    api_version: Value<'a>,
    #[serde(borrow, default, rename = "_last-serial")]
    last_serial: Value<'a>,
}

impl RawMeta<'_> {
    /// Checks the major version and answers the serial.
    fn check(self) -> Result<Option<u64>, PageError> {
        let version = self.api_version.into_text().unwrap_or_default();
        super::check_version(&version)?;
        Ok(match self.last_serial {
            Value::Number(serial) => Some(serial),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawFile<'a> {
    #[serde(borrow, default)]
    filename: Value<'a>,
    #[serde(borrow, default)]
    url: Value<'a>,
    #[serde(borrow, default)]
    hashes: Value<'a>,
    #[serde(borrow, default)]
    requires_python: Value<'a>,
    #[serde(borrow, default)]
    size: Value<'a>,
    #[serde(borrow, default)]
    upload_time: Value<'a>,
    #[serde(borrow, default)]
    yanked: Value<'a>,
    #[serde(borrow, default)]
    core_metadata: Value<'a>,
    #[serde(borrow, default)]
    dist_info_metadata: Value<'a>,
    /// What PyPI emits where PEP 714 says `dist-info-metadata`.
    #[serde(borrow, default)]
    data_dist_info_metadata: Value<'a>,
    #[serde(borrow, default)]
    gpg_sig: Value<'a>,
    #[serde(borrow, default)]
    provenance: Value<'a>,
}

impl RawFile<'_> {
    fn into_file(self, locator: &Locator) -> Option<PageFile> {
        let (url, fragment) = locator.join(&self.url.into_text()?)?;
        let mut hashes = self.hashes.to_hashes();
        if hashes.is_empty()
            && let Some(fragment) = &fragment
        {
            hashes = Hashes::parse_fragment(fragment);
        }
        let core_metadata = [
            self.core_metadata,
            self.dist_info_metadata,
            self.data_dist_info_metadata,
        ]
        .into_iter()
        .find(|value| !matches!(value, Value::Nothing))
        .unwrap_or_default()
        .to_core_metadata_mark();
        Some(PageFile {
            filename: self.filename.into_text()?.into_owned(),
            url,
            hashes,
            requires_python: self
                .requires_python
                .into_text()
                .filter(|text| !text.trim().is_empty())
                .map(Cow::into_owned),
            size: match self.size {
                // No distribution file is empty: nought is "not known".
                Value::Number(size) if size > 0 => Some(size),
                _ => None,
            },
            upload_time: self
                .upload_time
                .into_text()
                .and_then(|text| text.parse().ok()),
            yanked: match self.yanked {
                Value::Bool(true) => Yanked::Yes(None),
                Value::Text(reason) if reason.is_empty() => Yanked::Yes(None),
                Value::Text(reason) => Yanked::Yes(Some(reason.into_owned())),
                _ => Yanked::No,
            },
            core_metadata,
            provenance: self
                .provenance
                .into_text()
                .and_then(|text| Locator::secure(&text)),
            gpg_sig: match self.gpg_sig {
                Value::Bool(given) => Some(given),
                _ => None,
            },
            origin: None,
        })
    }
}

/// A value of whatever type a server put there. What none of our keys can
/// hold is read over. (The JSON reader limits the depth.)
#[derive(Default)]
enum Value<'a> {
    #[default]
    Nothing,
    Bool(bool),
    Number(u64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn find(&self, key: &str) -> Option<&str> {
        let Self::Map(entries) = self else {
            return None;
        };
        entries.iter().find_map(|(known, value)| match value {
            Value::Text(text) if known == key => Some(&**text),
            _ => None,
        })
    }

    fn to_hashes(&self) -> Hashes {
        let mut hashes = Hashes::new();
        if let Self::Map(entries) = self {
            for (name, digest) in entries {
                if let Self::Text(digest) = digest {
                    hashes.insert_named(name, digest);
                }
            }
        }
        hashes
    }

    fn to_core_metadata_mark(&self) -> CoreMetadataMark {
        match self {
            Self::Bool(true) | Self::Map(_) => CoreMetadataMark::Available(self.to_hashes()),
            _ => CoreMetadataMark::Absent,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Value<'de>, Value<'de>>()? {
            if let Value::Text(key) = key {
                entries.push((key, value));
            }
        }
        Ok(Value::Map(entries))
    }
}
