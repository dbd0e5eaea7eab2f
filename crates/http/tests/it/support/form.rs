//! The legacy upload form.

use cheeseshop_test_support::BuiltFile;

const BOUNDARY: &str = "cheeseshop-test-boundary";

/// A multipart form; parts in the order in which they were added.
pub(crate) struct Form(Vec<u8>);

/// What goes with every body.
pub(crate) const FORM_TYPE: &str = "multipart/form-data; boundary=cheeseshop-test-boundary";

impl Form {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// The form that registers a release, without a file.
    pub(crate) fn submit(name: &str, version: &str) -> Self {
        Self::new()
            .field(":action", "submit")
            .field("name", name)
            .field("version", version)
    }

    /// The form that twine sends for a file.
    pub(crate) fn of(file: &BuiltFile) -> Self {
        Self::fields_of(file).content(&file.name, &file.bytes)
    }

    /// The same with the file first: the order of parts means nothing.
    pub(crate) fn content_first(file: &BuiltFile) -> Self {
        let mut form = Self::new().content(&file.name, &file.bytes);
        form.0.extend(Self::fields_of(file).0);
        form
    }

    pub(crate) fn fields_of(file: &BuiltFile) -> Self {
        let filetype = match file.name.rsplit_once('.') {
            Some((_, "whl")) => "bdist_wheel",
            _ => "sdist",
        };
        Self::new()
            .field(":action", "file_upload")
            .field("protocol_version", "1")
            .field("name", &file.project)
            .field("version", &file.version)
            .field("filetype", filetype)
            .field("pyversion", "py3")
            .field("metadata_version", "2.4")
            .field(
                "requires_python",
                file.requires_python.as_deref().unwrap_or(""),
            )
            .field("sha256_digest", &file.sha256)
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        self.0.extend(part.into_bytes());
        self
    }

    pub(crate) fn content(mut self, filename: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"{filename}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        self.0.extend(head.into_bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.0.clone();
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        body
    }
}
