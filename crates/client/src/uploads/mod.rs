//! Sending files to an index: what is in them ([`Distribution`]), and the form that carries them.

mod archive;
mod documentation;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cheeseshop_packaging::archive::{ArchiveLimits, wheel};
use cheeseshop_packaging::{CoreMetadata, FileName, FormError, MetadataError, UploadForm};
use futures_util::Stream;
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use url::Url;

pub use self::documentation::DocumentationName;
pub(crate) use self::documentation::collect_files;
pub(crate) use self::documentation::{repack, zip_folder};
use crate::answer::Answer;
use crate::{Credentials, Error, Server};

/// What is read from a file at once: large enough to be fast, small enough to show progress.
const CHUNK_BYTES: usize = 256 << 10;

/// A file that can be uploaded, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Where it is.
    pub path: PathBuf,
    /// The name that it is uploaded under.
    pub name: String,
    /// What it is.
    pub content: Content,
}

/// What a file is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file of a release, with its core metadata.
    Release(Box<CoreMetadata>),
    /// An archive of documentation, which says by its name what it belongs to.
    Documentation(DocumentationName),
}

/// Why a file cannot be uploaded.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no archive, a damaged one, or one without core metadata.
    #[error("{0}")]
    Archive(String),
    /// It has core metadata that do not say which release it is of.
    #[error("{0}")]
    Metadata(#[from] MetadataError),
}

impl Distribution {
    /// Looks into a file. Leniently: whether an index wants it is the server's to say.
    ///
    /// # Errors
    /// [`DistributionError`], without the name of the file.
    pub fn read(path: &Path) -> Result<Self, DistributionError> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| DistributionError::Archive("its name is no text".to_owned()))?
            .to_owned();
        let content = match DocumentationName::parse(&name) {
            Some(documentation) => Content::Documentation(documentation),
            None => Content::Release(Box::new(metadata_of(path, &name)?)),
        };
        Ok(Self {
            path: path.to_owned(),
            name,
            content,
        })
    }

    /// The name of its project, as written.
    pub fn project(&self) -> &str {
        match &self.content {
            Content::Release(metadata) => &metadata.name,
            Content::Documentation(name) => &name.project,
        }
    }

    /// The version of its release, as written. Documentation may go without.
    pub fn version(&self) -> Option<&str> {
        match &self.content {
            Content::Release(metadata) => Some(&metadata.version),
            Content::Documentation(name) => name.version.as_deref(),
        }
    }

    /// What the server is asked to do: the form's `:action`.
    pub fn action(&self) -> &'static str {
        match self.content {
            Content::Release(_) => "file_upload",
            Content::Documentation(_) => "doc_upload",
        }
    }

    /// The form that goes with the file: what the file says of itself, under the names that devpi
    /// reads and, where devpi has its own, also twine's. What it leaves open is left out, so that a
    /// second file of a release does not empty what the first one said.
    ///
    /// # Errors
    /// [`FormError`] for core metadata larger than any server takes.
    pub fn form(&self) -> Result<UploadForm, FormError> {
        let mut form = UploadForm::new();
        form.push(":action", self.action())?;
        form.push("protocol_version", "1")?;
        match &self.content {
            Content::Release(metadata) => {
                let all = UploadForm::of_release(&metadata.to_devpi_keys())?;
                for (name, value) in all.fields().filter(|(_, value)| !value.is_empty()) {
                    form.push(name, value)?;
                }
                if let Ok(name) = FileName::parse(&self.name) {
                    form.push("filetype", name.packagetype())?;
                    form.push("pyversion", &name.devpi_pyversion())?;
                }
            }
            Content::Documentation(name) => {
                form.push("name", &name.project)?;
                if let Some(version) = &name.version {
                    form.push("version", version)?;
                }
            }
        }
        Ok(form)
    }
}

/// The core metadata in a file of a release.
fn metadata_of(path: &Path, name: &str) -> Result<CoreMetadata, DistributionError> {
    let document = if name.to_ascii_lowercase().ends_with(".whl") {
        let file_name = FileName::parse(name).map_err(archive_error)?;
        let file = std::fs::File::open(path)?;
        wheel::read_metadata(file, &file_name, &ArchiveLimits::default()).map_err(archive_error)?
    } else {
        archive::package_info(path)?
    };
    Ok(CoreMetadata::parse(&document)?)
}

fn archive_error(error: impl std::fmt::Display) -> DistributionError {
    DistributionError::Archive(error.to_string())
}

/// How far an upload is; clones look at the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// The bytes that were sent, of how many.
    pub fn get(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.0.sent), load(&self.0.total))
    }
}

impl Server {
    /// Uploads a file to an index. The file is streamed, and its digest goes with it.
    ///
    /// `login` is who uploads; often a token that was derived for this upload alone.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read, no answer. A refusal is an answer; its reason
    /// phrase says why.
    pub async fn upload(
        &self,
        index: &Url,
        distribution: &Distribution,
        login: Option<Credentials>,
        progress: &Progress,
    ) -> Result<Answer, Error> {
        let failed = |error| Error::File {
            path: distribution.path.clone(),
            error,
        };
        let path = distribution.path.clone();
        let digest = tokio::task::spawn_blocking(move || sha256_of(&path))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(failed)?;
        let file = tokio::fs::File::open(&distribution.path)
            .await
            .map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        progress.0.total.store(length, Ordering::Relaxed);
        progress.0.sent.store(0, Ordering::Relaxed);
        let fields = distribution
            .form()
            .map_err(|error| failed(std::io::Error::other(error)))?;
        // As they are: not every server reads the escapes of RFC 5987.
        let mut form = reqwest::multipart::Form::new().percent_encode_noop();
        for (name, value) in fields.fields() {
            form = form.text(name.to_owned(), value.to_owned());
        }
        let body = reqwest::Body::wrap_stream(chunks(file, length, progress.clone()));
        let part = reqwest::multipart::Part::stream_with_length(body, length)
            .file_name(distribution.name.clone());
        form = form.text("sha256_digest", digest).part("content", part);
        self.request_url(Method::POST, index.clone())
            .login(login)
            // A page of the web interface carries no reason in its status line.
            .accept("*/*")
            .form(form)
            .send()
            .await
    }
}

/// The bytes of a file, and not more than it had when its length was told.
fn chunks(
    file: tokio::fs::File,
    length: u64,
    progress: Progress,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(
        (file.take(length), progress),
        async |(mut file, progress)| {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            (&mut file)
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut chunk)
                .await?;
            if chunk.is_empty() {
                return Ok(None);
            }
            progress
                .0
                .sent
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Ok(Some((Bytes::from(chunk), (file, progress))))
        },
    )
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => digest.update(&chunk[..count]),
        }
    }
    Ok(cheeseshop_packaging::Sha256(digest.finalize().into()).to_string())
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::{Receiver, Sdist, SdistDefect, Wheel};

    use super::*;

    fn read(
        name: &str,
        bytes: &[u8],
    ) -> (tempfile::TempDir, Result<Distribution, DistributionError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let distribution = Distribution::read(&path);
        (folder, distribution)
    }

    #[tokio::test]
    async fn a_file_goes_with_what_it_says_of_itself() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let receiver = Receiver::start().await;
        let wheel = Wheel::named("hello-shop")
            .header("Classifier", "A :: B")
            .header("Classifier", "C :: D")
            .header("Provides-Extra", "cli")
            .header("Platform", "linux")
            .file("hello/large.bin", vec![7; 3 * CHUNK_BYTES])
            .build();
        let (_folder, distribution) = read(&wheel.name, &wheel.bytes);
        let distribution = distribution.unwrap();
        let server = Server::new(receiver.at("/").parse().unwrap()).unwrap();
        let progress = Progress::default();
        let index = receiver.at("/bob/dev/").parse().unwrap();
        let login = Some(Credentials::new("bob", "secret"));
        let answer = server
            .upload(&index, &distribution, login, &progress)
            .await
            .unwrap();
        assert!(answer.is_success());
        let length = wheel.bytes.len() as u64;
        assert_eq!(progress.get(), (length, length));

        let form = &receiver.forms()[0];
        assert_eq!(form.field(":action"), Some("file_upload"));
        assert_eq!(form.field("name"), Some("hello-shop"));
        assert_eq!(form.field("filetype"), Some("bdist_wheel"));
        assert_eq!(form.field("pyversion"), Some("3"));
        assert_eq!(form.field("sha256_digest"), Some(wheel.sha256.as_str()));
        assert_eq!(form.all("classifiers"), ["A :: B", "C :: D"]);
        assert_eq!(form.field("provides_extras"), Some("cli"));
        assert_eq!(form.field("provides_extra"), Some("cli"));
        assert_eq!(form.field("platform"), Some("linux"));
        // Fields that the file leaves open would empty what another file of the release said.
        assert_eq!(form.field("maintainer"), None);
        assert_eq!(form.header("x-devpi-auth"), Some("Ym9iOnNlY3JldA=="));
        let file = form.file.as_ref().unwrap();
        assert_eq!(file.sha256(), wheel.sha256);
        assert_eq!(file.filename, wheel.name);
    }

    #[test]
    fn what_cannot_be_uploaded_says_why() {
        let nameless = b"Metadata-Version: 2.1\nVersion: 1\n";
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(nameless.len() as u64);
        archive
            .append_data(&mut header, "a-1/PKG-INFO", &nameless[..])
            .unwrap();
        let (_folder, error) = read("a-1.tar", &archive.into_inner().unwrap());
        assert!(matches!(error, Err(DistributionError::Metadata(_))));
        for (name, bytes) in [
            ("a-1-py3-none-any.whl", b"no wheel".to_vec()),
            ("nothing.whl", b"no wheel".to_vec()),
            (
                "a-1.0.tar.gz",
                Sdist::named("a")
                    .defect(SdistDefect::MissingPkgInfo)
                    .build()
                    .bytes
                    .to_vec(),
            ),
        ] {
            let (_folder, error) = read(name, &bytes);
            assert!(
                matches!(error, Err(DistributionError::Archive(_))),
                "{name}"
            );
        }
    }
}
