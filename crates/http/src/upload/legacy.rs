//! `POST /{user}/{index}`: an upload form, a push when the body is JSON, a search when it is XML.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_app::publish::{Published, Upload, Uploaded};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use super::error;
use super::incoming::{self, BodyError, Incoming, Rest};
use crate::ask::Ask;
use crate::failure::UploadError;
use crate::front::Shared;
use crate::{devpi, drain, json_body, xml_rpc};

/// A form without a file holds metadata only.
const URLENCODED_LIMIT: u64 = 8 << 20;

/// The longest text of one field; the sum is the app's business.
const FIELD_LIMIT: usize = 4 << 20;

/// The two forms that uploads come in; everything else is devpi's push.
enum Form {
    Multipart { boundary: String },
    UrlEncoded,
}

/// Takes in a form. What is left of its body after an error is read and thrown away, or the
/// client would see a reset connection in place of the answer.
pub(crate) async fn receive(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    request: Request,
) -> Response {
    let body = request.into_body();
    if xml_rpc::is_call(&ask.headers) {
        return xml_rpc::answer(&shared, &ask, body).await.into_response();
    }
    let form = match form(&ask.headers) {
        Ok(Some(form)) => form,
        Ok(None) => return devpi::push(State(shared), ask, body).await.into_response(),
        Err(error) => return UploadError(error).into_response(),
    };
    let upload = match start(&shared, &ask).await {
        Ok(upload) => upload,
        Err(error) => {
            let limit = shared.app.settings().publish.max_file_bytes;
            drain::in_background(&ask.headers, body, limit, shared.settings.drain_time());
            return UploadError(error).into_response();
        }
    };
    let limit = upload.max_request_bytes();
    let (incoming, rest) = incoming::split(body, shared.settings.body_idle());
    match feed(upload, &form, incoming, &rest).await {
        Ok(uploaded) => success(uploaded, ask.context.asks_for_json),
        Err(error) => {
            if let Some(body) = rest.take() {
                drain::rest_in_background(body, limit, shared.settings.drain_time());
            }
            UploadError(error).into_response()
        }
    }
}

/// Permission and announced size come before the first byte of the body.
async fn start(shared: &Shared, ask: &Ask) -> Result<Upload, Error> {
    let index = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let mut upload = shared.app.start_upload(&caller, &index).await?;
    upload.announce_as(&ask.context.base_url);
    let announced = ask
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = upload.max_request_bytes();
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge(format!(
            "the upload is larger than {limit} bytes"
        )));
    }
    Ok(upload)
}

/// Feeds the parts to the upload in whatever order they come.
async fn feed(
    mut upload: Upload,
    form: &Form,
    body: Incoming,
    rest: &Rest,
) -> Result<Uploaded, Error> {
    match form {
        Form::Multipart { boundary } => {
            let mut parts = multer::Multipart::new(body, boundary);
            while let Some(part) = parts.next_field().await.map_err(malformed)? {
                rest.progressed();
                take_part(&mut upload, part, rest).await?;
            }
        }
        Form::UrlEncoded => {
            let limit = upload.max_request_bytes().min(URLENCODED_LIMIT);
            let bytes = collect(body, limit, rest).await?;
            for (name, value) in url::form_urlencoded::parse(&bytes) {
                upload.push_field(&name, &value)?;
            }
        }
    }
    upload.finish().await
}

async fn take_part(
    upload: &mut Upload,
    mut part: multer::Field<'_>,
    rest: &Rest,
) -> Result<(), Error> {
    let name = part.name().unwrap_or_default().to_owned();
    // PEP 740 attestations and signatures come as files too; only `content` is the file.
    if name == "content"
        && let Some(filename) = part.file_name().map(str::to_owned)
    {
        upload.start_content(&filename).await?;
        while let Some(chunk) = part.chunk().await.map_err(malformed)? {
            rest.progressed();
            upload.write(chunk).await?;
        }
        return Ok(());
    }
    let mut value = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        rest.progressed();
        if value.len() + chunk.len() > FIELD_LIMIT {
            return Err(Error::TooLarge(format!("the field `{name}` is too long")));
        }
        value.extend_from_slice(&chunk);
    }
    // Old tools send descriptions in whatever encoding the file had.
    upload.push_field(&name, &String::from_utf8_lossy(&value))
}

async fn collect(mut body: Incoming, limit: u64, rest: &Rest) -> Result<Vec<u8>, Error> {
    let mut collected = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| error.0)?;
        rest.progressed();
        if (collected.len() + chunk.len()) as u64 > limit {
            return Err(Error::TooLarge(format!(
                "the form is larger than {limit} bytes"
            )));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected)
}

fn success(uploaded: Uploaded, as_json: bool) -> Response {
    match uploaded {
        // 200 and no body: twine's loop takes 200 for success and nothing else.
        Uploaded::File(Published::Created | Published::Replaced)
        | Uploaded::Documentation(Published::Created | Published::Replaced)
        | Uploaded::Metadata => StatusCode::OK.into_response(),
        Uploaded::File(Published::Identical { volatile })
        | Uploaded::Documentation(Published::Identical { volatile }) => {
            let text = if volatile {
                "Upload of identical file."
            } else {
                "Upload of identical file to non volatile index."
            };
            error::answer(StatusCode::OK, text, as_json)
        }
        Uploaded::Unannounced { reason, .. } => {
            let text = format!("OK, but a trigger plugin failed: {reason}");
            error::answer(StatusCode::OK, &text, as_json)
        }
    }
}

fn form(headers: &HeaderMap) -> Result<Option<Form>, Error> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        return multer::parse_boundary(content_type)
            .map(|boundary| Some(Form::Multipart { boundary }))
            .map_err(|_| Error::Invalid("the form has no boundary".to_owned()));
    }
    let is_urlencoded = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    Ok(is_urlencoded.then_some(Form::UrlEncoded))
}

/// Our own error comes back out of multer's; the rest is a malformed form.
fn malformed(error: multer::Error) -> Error {
    if let multer::Error::StreamReadFailed(source) = error {
        return match source.downcast::<BodyError>() {
            Ok(error) => error.0,
            Err(_) => json_body::ended_early(),
        };
    }
    Error::Invalid(format!("the upload form is malformed: {error}"))
}
