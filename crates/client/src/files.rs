//! Downloading files, with a look at their digests.

use std::path::Path;
use std::time::Duration;

use cheeseshop_packaging::hash::{HashAlgorithm, Hashes};
use reqwest::Method;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use crate::answer::Answer;
use crate::request::{head_of, next_chunk};
use crate::server::without_credentials;
use crate::state::of_file;
use crate::{Error, Server};

/// The largest file that is downloaded: larger than any that indexes take by default.
const LARGEST_FILE_BYTES: u64 = 16 << 30;

/// The largest answer that is read when there is no file.
const LARGEST_REFUSAL_BYTES: usize = 1 << 20;

/// What was downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// How many bytes.
    pub size: u64,
    /// Whether a digest was known that could be compared (SHA-2), and was.
    pub is_checked: bool,
}

impl Server {
    /// Downloads a file to `path`, where nothing may be yet. Credentials go along to this server only.
    /// `progress` hears how many bytes there are, of how many if the server says.
    ///
    /// Nothing is left at `path` unless the whole file came and has the digests that are known.
    ///
    /// # Errors
    /// No answer, the server's refusal, [`Error::Unexpected`] for other bytes than expected,
    /// [`Error::File`].
    pub async fn download(
        &self,
        url: &Url,
        path: &Path,
        hashes: &Hashes,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Download, Error> {
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| of_file(path, error))?;
        let mut file = tokio::fs::File::from_std(file);
        let outcome = self
            .download_into(url, (&mut file, path), hashes, progress)
            .await;
        if outcome.is_err() {
            drop(file);
            // What went wrong first is what to tell.
            let _ = std::fs::remove_file(path);
        }
        outcome
    }

    async fn download_into(
        &self,
        url: &Url,
        (file, path): (&mut tokio::fs::File, &Path),
        hashes: &Hashes,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Download, Error> {
        let request = self
            .request_url(Method::GET, url.clone())
            .accept("*/*")
            .identity();
        let (mut response, answered) = request.open().await?;
        if !response.status().is_success() {
            return Err(refusal(response, &answered, self.silence()).await);
        }
        let length = response.content_length();
        let mut digests = Digests::of(hashes);
        let mut size = 0;
        while let Some(chunk) = next_chunk(&mut response, self.silence()).await? {
            size += chunk.len() as u64;
            if size > LARGEST_FILE_BYTES {
                return Err(Error::Unexpected("the file is too large".to_owned()));
            }
            digests.update(&chunk);
            file.write_all(&chunk)
                .await
                .map_err(|error| of_file(path, error))?;
            progress(size, length);
        }
        file.flush().await.map_err(|error| of_file(path, error))?;
        let is_checked = digests.check(hashes)?;
        Ok(Download { size, is_checked })
    }
}

/// What the server says instead of giving a file.
async fn refusal(mut response: reqwest::Response, url: &Url, silence: Duration) -> Error {
    let head = head_of(&response);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = next_chunk(&mut response, silence).await {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_REFUSAL_BYTES {
            body.clear();
            break;
        }
    }
    let answer = Answer::new(
        Method::GET,
        without_credentials(url),
        None,
        head,
        body.into(),
    );
    match answer.accepted() {
        Err(error) => error,
        Ok(_) => Error::Unexpected("it is no file".to_owned()),
    }
}

/// The digests that are known and can be compared.
#[derive(Default)]
struct Digests {
    sha256: Option<Sha256>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl Digests {
    fn of(hashes: &Hashes) -> Self {
        let has = |algorithm| hashes.get(algorithm).is_some();
        Self {
            sha256: has(HashAlgorithm::Sha256).then(Sha256::new),
            sha384: has(HashAlgorithm::Sha384).then(Sha384::new),
            sha512: has(HashAlgorithm::Sha512).then(Sha512::new),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.sha256 {
            digest.update(bytes);
        }
        if let Some(digest) = &mut self.sha384 {
            digest.update(bytes);
        }
        if let Some(digest) = &mut self.sha512 {
            digest.update(bytes);
        }
    }

    /// Whether there was something to compare; an error if it differs.
    fn check(self, hashes: &Hashes) -> Result<bool, Error> {
        let found = [
            (
                HashAlgorithm::Sha256,
                self.sha256.map(|digest| hex(&digest.finalize())),
            ),
            (
                HashAlgorithm::Sha384,
                self.sha384.map(|digest| hex(&digest.finalize())),
            ),
            (
                HashAlgorithm::Sha512,
                self.sha512.map(|digest| hex(&digest.finalize())),
            ),
        ];
        let mut is_checked = false;
        for (algorithm, found) in found {
            let Some(found) = found else { continue };
            is_checked = true;
            if hashes.get(algorithm) != Some(found.as_str()) {
                return Err(Error::Unexpected(format!(
                    "the file has the {} digest {found}, not the one that the index says",
                    algorithm.as_str()
                )));
            }
        }
        Ok(is_checked)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credentials;
    use crate::canned::{Canned, answer};

    fn hashes(bytes: &[u8]) -> Hashes {
        Hashes::parse_fragment(&format!("sha256={}", hex(&Sha256::digest(bytes))))
    }

    async fn download(canned: &Canned, path: &Path, hashes: &Hashes) -> Result<Download, Error> {
        let server = canned
            .server()
            .with_login(Some(Credentials::new("bob", "secret")));
        let url = format!("{}bob/dev/+f/a.zip", canned.url).parse().unwrap();
        server.download(&url, path, hashes, &mut |_, _| {}).await
    }

    #[tokio::test]
    async fn a_file_is_there_when_its_digest_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let canned = Canned::start(vec![answer("200 OK", &[], b"bytes")]);
        let known = download(&canned, &path, &hashes(b"bytes")).await.unwrap();
        assert_eq!((known.size, known.is_checked), (5, true));
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        let asked = &canned.asked()[0].head;
        assert!(asked.contains("x-devpi-auth: "), "{asked}");
        assert!(asked.contains("accept-encoding: identity"), "{asked}");

        // What is there stays.
        let canned = Canned::start(vec![answer("200 OK", &[], b"other")]);
        let error = download(&canned, &path, &Hashes::new()).await.unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");

        let unknown = folder.path().join("b.zip");
        let outcome = download(&canned, &unknown, &Hashes::new()).await.unwrap();
        assert!(!outcome.is_checked);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_file_that_is_wrong_or_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let whole = answer("200 OK", &[], b"bytes");
        let refused = answer(
            "403 Forbidden",
            &["Content-Type: application/json"],
            br#"{"message": "not yours"}"#,
        );
        for (bytes, told) in [
            (answer("200 OK", &[], b"other"), "sha256 digest"),
            (whole[..whole.len() - 2].to_vec(), "no answer"),
            (refused, "the server answered 403: not yours"),
            (
                answer("404 Not Found", &[], &vec![b'x'; 2 << 20]),
                "the server answered 404",
            ),
        ] {
            let canned = Canned::start(vec![bytes]);
            let error = download(&canned, &path, &hashes(b"bytes"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains(told), "{error} for {told}");
            assert!(!path.exists(), "{told}");
        }
    }

    #[tokio::test]
    async fn a_file_elsewhere_is_fetched_without_the_login() {
        let folder = tempfile::tempdir().unwrap();
        let other = Canned::start(vec![answer("200 OK", &[], b"bytes")]);
        let location = format!("Location: {}files/a.zip", other.url);
        let canned = Canned::start(vec![answer("302 Found", &[&location], b"")]);
        let path = folder.path().join("a.zip");
        download(&canned, &path, &hashes(b"bytes")).await.unwrap();
        let asked = &other.asked()[0].head;
        assert!(asked.starts_with("get /files/a.zip"), "{asked}");
        assert!(!asked.contains("x-devpi-auth"), "{asked}");
    }
}
