//! Writing forms, as clients of other servers send them.

use super::UploadForm;

/// The form as `application/x-www-form-urlencoded`.
pub fn urlencoded(form: &UploadForm) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form.fields())
        .finish()
}

/// What stands around the bytes of a file in a `multipart/form-data` body
/// (RFC 7578). The file itself need not be in memory, and the length of the
/// whole is known before the first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// The `Content-Type` of the body.
    pub content_type: String,
    /// The fields, and the head of the file's part.
    pub before: Vec<u8>,
    /// The end.
    pub after: Vec<u8>,
}

/// The part that holds the file.
#[derive(Clone, Copy, Debug)]
pub struct FilePart<'a> {
    /// The field; `content` in the legacy form.
    pub field: &'a str,
    /// The base name.
    pub filename: &'a str,
    /// The media type.
    pub content_type: &'a str,
}

impl Enclosure {
    /// A form with one file behind its fields. The boundary must be drawn by
    /// lot: it must occur in none of the fields and not in the file.
    pub fn new(boundary: &str, form: &UploadForm, file: FilePart<'_>) -> Self {
        let mut before = Vec::new();
        for (name, value) in form.fields() {
            open_part(&mut before, boundary, name);
            before.extend_from_slice(b"\r\n\r\n");
            before.extend_from_slice(value.as_bytes());
            before.extend_from_slice(b"\r\n");
        }
        open_part(&mut before, boundary, file.field);
        before.extend_from_slice(b"; filename=\"");
        quoted(&mut before, file.filename);
        before.extend_from_slice(b"\"\r\nContent-Type: ");
        before.extend_from_slice(file.content_type.as_bytes());
        before.extend_from_slice(b"\r\n\r\n");
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            before,
            after: format!("\r\n--{boundary}--\r\n").into_bytes(),
        }
    }

    /// Bytes of the whole body around a file of this size.
    pub fn length_around(&self, file: u64) -> u64 {
        (self.before.len() + self.after.len()) as u64 + file
    }
}

fn open_part(out: &mut Vec<u8>, boundary: &str, name: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"\r\nContent-Disposition: form-data; name=\"");
    quoted(out, name);
    out.push(b'"');
}

/// A name between quotes, escaped as browsers do.
fn quoted(out: &mut Vec<u8>, name: &str) {
    for byte in name.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> UploadForm {
        let mut form = UploadForm::new();
        for (name, value) in fields {
            form.push(name, value).unwrap();
        }
        form
    }

    #[test]
    fn a_file_is_enclosed_by_fields_and_boundaries() {
        let form = form(&[(":action", "file_upload"), ("description", "two\nlines €")]);
        let file = FilePart {
            field: "content",
            filename: "a \"b\"\r\n.zip",
            content_type: "application/zip",
        };
        let enclosure = Enclosure::new("xyz", &form, file);
        assert_eq!(enclosure.content_type, "multipart/form-data; boundary=xyz");
        assert_eq!(
            String::from_utf8(enclosure.before.clone()).unwrap(),
            "--xyz\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfile_upload\r\n\
             --xyz\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\ntwo\nlines €\r\n\
             --xyz\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"a %22b%22%0D%0A.zip\"\r\nContent-Type: application/zip\r\n\r\n"
        );
        assert_eq!(enclosure.after, b"\r\n--xyz--\r\n");
        assert_eq!(
            enclosure.length_around(10),
            enclosure.before.len() as u64 + 11 + 10
        );
    }

    #[test]
    fn a_form_without_a_file_is_urlencoded() {
        let form = form(&[
            ("name", "a b"),
            ("classifiers", "x"),
            ("classifiers", "ü&"),
            (":action", "submit"),
        ]);
        assert_eq!(
            urlencoded(&form),
            "name=a+b&classifiers=x&classifiers=%C3%BC%26&%3Aaction=submit"
        );
    }
}
