//! Archives of documentation, as `devpi upload --with-docs` sends them.

use bytes::Bytes;

use crate::zip_file::ZipFile;

/// An archive of documentation in the making; deterministic.
#[derive(Default)]
pub struct DocumentationArchive(ZipFile);

impl DocumentationArchive {
    /// Without any page.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an `index.html` that says this.
    pub fn saying(text: &str) -> Self {
        Self::new().page("index.html", format!("<h1>{text}</h1>").as_bytes())
    }

    /// Adds a page. Names are not looked at: also such that no archive should have.
    #[must_use]
    pub fn page(mut self, name: &str, content: &[u8]) -> Self {
        self.0.add(name, content);
        self
    }

    /// The archive's bytes.
    pub fn build(self) -> Bytes {
        self.0.finish().into()
    }
}
