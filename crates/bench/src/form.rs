//! The upload form as twine sends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_test_support::BuiltFile;

use crate::http::Request;

/// Parts the fields of a form; no file of ours has it inside.
const BOUNDARY: &str = "----a-boundary-that-is-in-no-file";

/// The request that uploads a wheel.
pub(crate) fn upload(path: &str, file: &BuiltFile, user: &str, password: &str) -> Request {
    Request::with_body("POST", path, multipart(file))
        .header(
            "Content-Type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .header("Authorization", basic(user, password))
}

/// The header value of Basic authentication.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn multipart(file: &BuiltFile) -> Vec<u8> {
    let mut body = Vec::with_capacity(file.bytes.len() + 2048);
    for (name, value) in [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.4"),
        ("name", file.project.as_str()),
        ("version", file.version.as_str()),
        ("filetype", "bdist_wheel"),
        ("pyversion", "py3"),
        ("sha256_digest", file.sha256.as_str()),
    ] {
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .as_bytes(),
        );
    }
    body.extend_from_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            file.name
        )
        .as_bytes(),
    );
    body.extend_from_slice(&file.bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}
