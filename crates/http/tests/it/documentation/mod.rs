//! Documentation over HTTP: `+doc`, `+d`, and the upload.

mod frame;
mod pages;
mod upload;

use bytes::Bytes;
use cheeseshop_test_support::DocumentationArchive;

use crate::support::{Answer, Form, User};

/// Sends documentation as devpi's client does.
async fn document(user: &User<'_>, index: &str, version: &str, archive: &Bytes) -> Answer {
    let form = Form::new()
        .field(":action", "doc_upload")
        .field("name", "flask")
        .field("version", version)
        .content(&format!("flask-{version}.doc.zip"), archive);
    user.post_form(&format!("/{index}/"), &form).await
}

fn sphinx() -> Bytes {
    DocumentationArchive::new()
        .page("index.html", b"<h1>Hello</h1><script>1</script>")
        .page("api/index.html", b"api")
        .page("_static/style.css", b"p{}")
        .page("_static/font.woff2", b"font")
        .page("a b/100%?.txt", b"odd")
        .page("objects.inv", b"inventory")
        .build()
}
