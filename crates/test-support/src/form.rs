//! The legacy upload form, as clients send it.

use crate::distribution::BuiltFile;

const BOUNDARY: &str = "cheeseshop-test-boundary";

/// A multipart form; parts in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<u8>);

/// What goes with every body.
pub const FORM_TYPE: &str = "multipart/form-data; boundary=cheeseshop-test-boundary";

impl Form {
    /// One without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The form that registers a release, without a file.
    pub fn submit(name: &str, version: &str) -> Self {
        Self::new()
            .field(":action", "submit")
            .field("name", name)
            .field("version", version)
    }

    /// The form that twine sends for a file.
    pub fn of(file: &BuiltFile) -> Self {
        Self::fields_of(file).content(&file.name, &file.bytes)
    }

    /// The same with the file first: the order of parts means nothing.
    pub fn content_first(file: &BuiltFile) -> Self {
        let mut form = Self::new().content(&file.name, &file.bytes);
        form.0.extend(Self::fields_of(file).0);
        form
    }

    /// The fields that twine sends with a file.
    pub fn fields_of(file: &BuiltFile) -> Self {
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

    /// Fields, and behind them the file if there is one.
    pub fn of_parts(fields: &[(&str, &str)], content: Option<(&str, &[u8])>) -> Self {
        let form = fields
            .iter()
            .fold(Self::new(), |form, (name, value)| form.field(name, value));
        match content {
            Some((name, bytes)) => form.content(name, bytes),
            None => form,
        }
    }

    /// One more field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        self.0.extend(part.into_bytes());
        self
    }

    /// The file itself.
    #[must_use]
    pub fn content(mut self, filename: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"{filename}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        self.0.extend(head.into_bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    /// The form as it goes over the wire, with [`FORM_TYPE`].
    pub fn body(&self) -> Vec<u8> {
        let mut body = self.0.clone();
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        body
    }
}
