//! Writing an export that devpi-server's own `devpi-import` reads.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use cheeseshop_app::import::model::{Content, Index, Project, User};
use cheeseshop_app::import::{Kind, Progress, Report, Source, SourceError};
use cheeseshop_domain::JsonMap;
use cheeseshop_packaging::Hashes;
use cheeseshop_packaging::name::normalize;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::reader::DATA_INDEX;

/// The version of devpi-server whose form this is.
const DEVPI_SERVER: &str = "6.20.3";

/// The description and an index's list of files while they are written: no user has such a name.
const UNFINISHED: [&str; 2] = ["+dataindex.part", "+files.part"];

/// Files that are copied at once.
const FILES_AT_ONCE: usize = 8;

/// How an export is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExportOptions {
    /// Share files (hard links) with the source where it has them on the same file system; else they are copied.
    pub hard_links: bool,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is something in the directory. The text is devpi's.
    #[error("export directory {} must not exist or be empty", .0.display())]
    NotEmpty(PathBuf),
    /// The directory cannot be written.
    #[error("{} cannot be written", .path.display())]
    Writing {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Writes all that a source holds into a directory that is empty or does not exist. Only the owner may read what is
/// written, since password hashes are among it.
///
/// `dataindex.json` comes into its place at the very end, when all else is durable: a directory without it is no export.
/// What could not be written as it was is in the report.
///
/// # Errors
/// [`ExportError`]
pub async fn write_export(
    source: &dyn Source,
    directory: &Path,
    options: ExportOptions,
    report: &Report,
    progress: &Progress,
) -> Result<(), ExportError> {
    let users = source.users(report).await?;
    let indexes = source.indexes(report).await?;
    make_empty(directory)?;
    let root = directory
        .canonicalize()
        .map_err(|source| failed(directory, source))?;
    let writer = Writer {
        source,
        root: &root,
        options,
        report,
        progress,
    };
    let mut document = Document::create(&root.join(UNFINISHED[0]))?;
    document.raw("{\"users\": ")?;
    writer.users(&mut document, users)?;
    document.raw(",\n\"indexes\": {")?;
    for (number, index) in indexes.iter().enumerate() {
        document.raw(if number == 0 { "\n" } else { ",\n" })?;
        writer.index(&mut document, index).await?;
    }
    source.finish(report);
    document.raw("},\n\"dumpversion\": \"2\",\n\"pythonversion\": [3, 11, 0, \"final\", 0],\n\"devpi_server\": ")?;
    document.json(&DEVPI_SERVER)?;
    document.raw("}\n")?;
    document.finish(&root.join(DATA_INDEX))
}

struct Writer<'a> {
    source: &'a dyn Source,
    root: &'a Path,
    options: ExportOptions,
    report: &'a Report,
    progress: &'a Progress,
}

/// A file on its way into the export.
struct Leaving {
    kind: Kind,
    /// Its description, complete but for what is told of the bytes.
    item: JsonMap,
    relative: String,
    content: Content,
}

impl Writer<'_> {
    fn users(&self, document: &mut Document, users: Vec<User>) -> Result<(), ExportError> {
        let mut records = JsonMap::new();
        for user in users {
            self.report.kept(Kind::User);
            records.insert(user.name, Value::Object(user.record));
        }
        document.json(&records)
    }

    async fn index(&self, document: &mut Document, index: &Index) -> Result<(), ExportError> {
        let name = index.full_name();
        let differences = differences(&index.config);
        if differences.is_empty() {
            self.report.kept(Kind::Index);
        } else {
            self.report
                .changed(Kind::Index, &name, differences.join("; "));
        }
        document.json(&name)?;
        document.raw(": {\"indexconfig\": ")?;
        document.json(&index.config)?;
        self.progress
            .begin_index(&name, self.source.count_projects(index));
        // Projects and files are two lists, and both are made project by project: the second one waits in a file.
        let waiting = self.root.join(UNFINISHED[1]);
        let mut files = Document::create(&waiting)?;
        let mut projects = 0_u64;
        let mut listed = 0_u64;
        let mut contents = self.source.projects(index, self.report);
        while let Some(project) = contents.try_next().await? {
            document.raw(if projects == 0 {
                ",\n\"projects\": {\n"
            } else {
                ",\n"
            })?;
            projects += 1;
            self.releases(document, &project)?;
            for item in self.files(index, project).await? {
                files.raw(if listed == 0 { "\n" } else { ",\n" })?;
                listed += 1;
                files.json(&item)?;
            }
            self.progress.project_done();
        }
        if projects > 0 {
            document.raw("},\n\"files\": [")?;
            document.append(files)?;
            document.raw("]")?;
        }
        fs::remove_file(&waiting).map_err(|source| failed(&waiting, source))?;
        document.raw("}")
    }

    fn releases(&self, document: &mut Document, project: &Project) -> Result<(), ExportError> {
        let mut versions = JsonMap::new();
        for release in &project.releases {
            let mut metadata = release.metadata.clone();
            // A form that lacks them breaks the other side's import.
            for (key, text) in [("name", &project.name), ("version", &release.version)] {
                metadata
                    .entry(key)
                    .or_insert_with(|| Value::from(text.as_str()));
            }
            versions.insert(release.version.clone(), Value::Object(metadata));
            self.report.kept(Kind::Release);
        }
        document.json(&normalize(&project.name))?;
        document.raw(": ")?;
        document.json(&versions)
    }

    /// Puts a project's files durably into the export and returns their descriptions.
    async fn files(&self, index: &Index, project: Project) -> Result<Vec<JsonMap>, ExportError> {
        let leaving = leaving(index, project);
        let mut written = stream::iter(leaving.into_iter().map(|leaving| self.file(leaving)))
            .buffered(FILES_AT_ONCE);
        let mut items = Vec::new();
        while let Some(item) = written.try_next().await? {
            items.extend(item);
        }
        self.sync_folders(&items).await?;
        Ok(items)
    }

    /// Makes the names of files durable; their bytes are.
    async fn sync_folders(&self, items: &[JsonMap]) -> Result<(), ExportError> {
        let folders: BTreeSet<PathBuf> = items
            .iter()
            .filter_map(|item| item.get("relpath")?.as_str())
            .flat_map(|relative| Path::new(relative).ancestors().skip(1))
            .map(|folder| self.root.join(folder))
            .collect();
        let synced = tokio::task::spawn_blocking(move || {
            folders.into_iter().try_for_each(|folder| {
                sync_folder(&folder).map_err(|source| failed(&folder, source))
            })
        });
        synced
            .await
            .map_err(|error| failed(self.root, io::Error::other(error)))?
    }

    async fn file(&self, leaving: Leaving) -> Result<Option<JsonMap>, ExportError> {
        let Leaving {
            kind,
            item,
            relative,
            content,
        } = leaving;
        let is_plain = Path::new(&relative)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain {
            self.report
                .skipped(kind, relative, "its name is no name of a file");
            return Ok(None);
        }
        let target = self.root.join(&relative);
        let written = match content {
            Content::Missing(reason) => Ok(Err(reason)),
            Content::Path(path) => self.copy(path, target).await,
            Content::Remote(location) => self.fetch(&location, target).await,
        }?;
        match written {
            Ok(size) => {
                self.progress.file_done(size);
                self.report.kept(kind);
                Ok(Some(item))
            }
            Err(reason) => {
                self.report.skipped(kind, relative, reason);
                Ok(None)
            }
        }
    }

    /// Links or copies a file; the inner error is the source's.
    async fn copy(&self, from: PathBuf, to: PathBuf) -> Result<Result<u64, String>, ExportError> {
        let hard_links = self.options.hard_links;
        let shown = to.clone();
        let copied = tokio::task::spawn_blocking(move || {
            make_parent(&to)?;
            let mut reader = match File::open(&from) {
                Ok(reader) => reader,
                Err(error) => return Ok(Err(format!("its bytes cannot be read: {error}"))),
            };
            if hard_links && fs::hard_link(&from, &to).is_ok() {
                return Ok(Ok(reader.metadata()?.len()));
            }
            let mut writer = File::create_new(&to)?;
            let size = io::copy(&mut reader, &mut writer)?;
            writer.sync_all()?;
            Ok(Ok(size))
        });
        copied
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| failed(&shown, source))
    }

    async fn fetch(&self, location: &str, to: PathBuf) -> Result<Result<u64, String>, ExportError> {
        let write = async {
            let parent = to.clone();
            tokio::task::spawn_blocking(move || make_parent(&parent))
                .await
                .map_err(io::Error::other)??;
            tokio::fs::File::create_new(&to).await
        };
        let mut file = write.await.map_err(|source| failed(&to, source))?;
        let mut size = 0;
        let mut bytes = match self.source.open(location).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.to_string())),
        };
        loop {
            match bytes.try_next().await {
                Ok(Some(chunk)) => {
                    size += chunk.len() as u64;
                    file.write_all(&chunk)
                        .await
                        .map_err(|source| failed(&to, source))?;
                }
                Ok(None) => break,
                Err(error) => return Ok(Err(format!("its bytes cannot be read: {error}"))),
            }
        }
        let durable = async {
            file.flush().await?;
            file.sync_all().await
        };
        durable.await.map_err(|source| failed(&to, source))?;
        Ok(Ok(size))
    }
}

/// The files of a project as devpi describes them: release files, then results, then documentation.
fn leaving(index: &Index, project: Project) -> Vec<Leaving> {
    let name = normalize(&project.name);
    let base = folder(index);
    let mut leaving = Vec::new();
    let mut tested = Vec::new();
    for file in project.files {
        let version = file.version.unwrap_or_default();
        let relative = format!("{base}/{name}/{version}/{}", file.name);
        let mut mapping = mapping(&file.hashes, file.modified, &name, &version);
        if let Some(url) = file.url {
            mapping.insert("url".to_owned(), Value::from(url));
        }
        let mut item = item(mapping, file.log, "releasefile", &relative);
        // devpi has no yanking on its own indexes and passes over the key; our import reads it.
        if let Some(yanked) = file.yanked {
            item.insert("yanked".to_owned(), yanked);
        }
        tested.push((file.name, version, file.hashes));
        leaving.push(Leaving {
            kind: Kind::File,
            item,
            relative,
            content: file.content,
        });
    }
    for result in project.test_results {
        let Some((file, version, hashes)) = tested.iter().find(|(file, ..)| *file == result.file)
        else {
            continue;
        };
        let spec = hashes.to_fragment().unwrap_or_default();
        let relative = format!("{base}/{name}/{spec}/{}", result.name);
        let mapping = mapping(&result.hashes, result.modified, &name, version);
        let mut item = item(mapping, result.log, "toxresult", &relative);
        let path = stored_path(&index.full_name(), hashes, file);
        item.insert("for_entrypath".to_owned(), Value::from(path));
        leaving.push(Leaving {
            kind: Kind::TestResult,
            item,
            relative,
            content: result.content,
        });
    }
    for archive in project.documentation {
        let relative = format!("{base}/{name}-{}.doc.zip", archive.version);
        let mapping = mapping(&archive.hashes, archive.modified, &name, &archive.version);
        leaving.push(Leaving {
            kind: Kind::Documentation,
            item: item(mapping, archive.log, "doczip", &relative),
            relative,
            content: archive.content,
        });
    }
    leaving
}

/// Where an index's files go. One user's name is that of the description.
fn folder(index: &Index) -> String {
    let name = index.full_name();
    if index.user == DATA_INDEX {
        format!("+{name}")
    } else {
        name
    }
}

fn item(mapping: JsonMap, log: Vec<JsonMap>, kind: &str, relative: &str) -> JsonMap {
    let text = |key: &str| mapping.get(key).cloned().unwrap_or_default();
    let (version, project) = (text("version"), text("project"));
    let entries = [
        ("version", version),
        ("entrymapping", Value::Object(mapping)),
        ("log", log.into_iter().map(Value::Object).collect()),
        ("type", Value::from(kind)),
        ("projectname", project),
        ("relpath", Value::from(relative)),
    ];
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn mapping(hashes: &Hashes, modified: Option<Timestamp>, project: &str, version: &str) -> JsonMap {
    let modified = modified.unwrap_or(Timestamp::UNIX_EPOCH);
    let named: JsonMap = hashes
        .iter()
        .map(|(algorithm, digest)| (algorithm.as_str().to_owned(), Value::from(digest)))
        .collect();
    let mut mapping = JsonMap::new();
    let date = httpdate::fmt_http_date(std::time::SystemTime::from(modified));
    mapping.insert("last_modified".to_owned(), Value::from(date));
    if let Some(spec) = hashes.to_fragment() {
        mapping.insert("hash_spec".to_owned(), Value::from(spec));
    }
    mapping.insert("hashes".to_owned(), Value::Object(named));
    mapping.insert("project".to_owned(), Value::from(project));
    mapping.insert("version".to_owned(), Value::from(version));
    mapping
}

/// Where devpi keeps a file: `bob/dev/+f/3c4/29ff6d8220325/NAME`.
fn stored_path(index: &str, hashes: &Hashes, name: &str) -> String {
    let digest = hashes.best().map(|(_, digest)| digest).unwrap_or_default();
    let (first, rest) = digest.split_at(digest.len().min(3));
    let second = &rest[..rest.len().min(13)];
    format!("{index}/+f/{first}/{second}/{name}")
}

/// What devpi-server will do otherwise with an index of this configuration.
fn differences(config: &JsonMap) -> Vec<String> {
    let mut differences = Vec::new();
    if config.contains_key("acl_read") {
        differences.push(
            "devpi-server has no `acl_read`: whoever reaches that server will be able to read this index".to_owned(),
        );
    }
    match config.get("type").and_then(Value::as_str) {
        Some("mirror") if !config.contains_key("mirror_url") => differences.push(
            "devpi-web does not start with a mirror that has no `mirror_url`: set one there first".to_owned(),
        ),
        Some("stage" | "mirror") | None => {}
        Some(kind) => differences.push(format!(
            "devpi-server imports it only with the plugin for indexes of type `{kind}`, or without it: \
             --skip-import-type {kind}"
        )),
    }
    differences
}

/// A JSON document on its way to the disk.
struct Document {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl Document {
    fn create(path: &Path) -> Result<Self, ExportError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            writer: BufWriter::new(file),
        })
    }

    fn raw(&mut self, text: &str) -> Result<(), ExportError> {
        self.writer
            .write_all(text.as_bytes())
            .map_err(|source| failed(&self.path, source))
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), ExportError> {
        serde_json::to_writer(&mut self.writer, value)
            .map_err(|error| failed(&self.path, error.into()))
    }

    /// Appends all that another one holds.
    fn append(&mut self, other: Self) -> Result<(), ExportError> {
        let copied = other
            .writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|mut file| {
                file.rewind()?;
                io::copy(&mut file, &mut self.writer)
            });
        copied
            .map(drop)
            .map_err(|source| failed(&self.path, source))
    }

    /// Makes it durable under its name, in the same folder.
    fn finish(self, name: &Path) -> Result<(), ExportError> {
        let Self { path, writer } = self;
        let finished = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&path, name))
            .and_then(|()| name.parent().map_or(Ok(()), sync_folder));
        finished.map_err(|source| failed(name, source))
    }
}

fn make_empty(directory: &Path) -> Result<(), ExportError> {
    make_folder(directory).map_err(|source| failed(directory, source))?;
    let mut entries = fs::read_dir(directory).map_err(|source| failed(directory, source))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(ExportError::NotEmpty(directory.to_owned())),
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Makes a folder, with those above it, that only the owner can look into.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> ExportError {
    ExportError::Writing {
        path: path.to_owned(),
        source,
    }
}
