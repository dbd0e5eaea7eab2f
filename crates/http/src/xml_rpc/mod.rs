//! `POST /{user}/{index}` with XML: what `pip search` and its likes call.

mod call;

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_app::search::{Hit, Query};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use self::call::{Call, Value};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::json_body;

/// A call is a few words.
const MAX_BYTES: usize = 64 << 10;

/// How many projects are told.
const MAX_HITS: usize = 100;

/// Whether the body is a call; devpi knows it by this type.
pub(crate) fn is_call(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/xml"))
}

/// Answers a call. What is wrong with it is told as a fault, under 200, as XML-RPC has it; the index
/// is looked for before, and its errors have their statuses, so that clients know to log in.
pub(crate) async fn answer(shared: &Shared, ask: &Ask, body: Body) -> Result<Response, DevpiError> {
    let index = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    shared.app.index(&caller, &index).await?;
    let body = json_body::read(body, &shared.settings).await?;
    if body.len() > MAX_BYTES {
        return Err(Error::TooLarge(format!("a call has at most {MAX_BYTES} bytes")).into());
    }
    let query = match Call::parse(&body).and_then(|call| query(&call)) {
        Ok(query) => query,
        Err(fault) => return Ok(send(fault_document(&fault))),
    };
    let found = shared
        .app
        .search(&caller, &query, Some(&index), 0..MAX_HITS)
        .await?;
    Ok(send(hits_document(&found.hits)))
}

/// What `search(fields, operator)` asks for. Words for summaries are looked for in names as well:
/// clients send the same words for both.
fn query(call: &Call) -> Result<Query, String> {
    if call.method != "search" {
        // devpi's words.
        return Err(format!("ValueError(\"Unknown method '{}'.\")", call.method));
    }
    let mut parameters = call.parameters.iter();
    let Some(Value::Struct(fields)) = parameters.next() else {
        return Err("search takes a struct of `name` and `summary`".to_owned());
    };
    let mut words = Vec::new();
    for (name, value) in fields {
        if name != "name" && name != "summary" {
            return Err("ValueError(\"Only 'name' and 'summary' allowed in query.\")".to_owned());
        }
        match value {
            Value::Text(word) => words.push(word.as_str()),
            Value::List(items) => words.extend(items.iter().filter_map(Value::as_text)),
            Value::Struct(_) => return Err(format!("`{name}` is an array of strings")),
        }
    }
    match parameters.next().map(Value::as_text) {
        None => Ok(Query::all_of(words)),
        Some(Some(operator)) if operator.eq_ignore_ascii_case("and") => Ok(Query::all_of(words)),
        Some(Some(operator)) if operator.eq_ignore_ascii_case("or") => Ok(Query::any_of(words)),
        Some(operator) => Err(format!(
            "ValueError(\"Unknown operator '{}'.\")",
            operator.unwrap_or_default().to_uppercase()
        )),
    }
}

fn send(document: String) -> Response {
    let headers = [(CONTENT_TYPE, "text/xml; charset=utf-8")];
    (StatusCode::OK, headers, document).into_response()
}

fn hits_document(hits: &[Hit]) -> String {
    let mut document = String::from(
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n",
    );
    for hit in hits {
        let summary = format!(
            "[{}] {}",
            hit.index.name,
            hit.summary.as_deref().unwrap_or_default()
        );
        let version = hit.version.as_ref().map_or("", |version| version.as_str());
        document.push_str("<value><struct>\n");
        for (name, text) in [
            ("name", hit.name.as_str()),
            ("summary", summary.trim_end()),
            ("version", version),
        ] {
            let _ = writeln!(
                document,
                "<member>\n<name>{name}</name>\n<value><string>{}</string></value>\n</member>",
                escaped(text)
            );
        }
        // The hits come in their order; there are no scores.
        document.push_str(
            "<member>\n<name>_pypi_ordering</name>\n<value><int>0</int></value>\n</member>\n\
             </struct></value>\n",
        );
    }
    document.push_str("</data></array></value>\n</param>\n</params>\n</methodResponse>\n");
    document
}

fn fault_document(text: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n\
         <member>\n<name>faultCode</name>\n<value><int>1</int></value>\n</member>\n\
         <member>\n<name>faultString</name>\n<value><string>{}</string></value>\n</member>\n\
         </struct></value>\n</fault>\n</methodResponse>\n",
        escaped(text)
    )
}

/// A text in XML 1.0, which has no place for most control characters.
fn escaped(text: &str) -> String {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = text
        .chars()
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect();
    quick_xml::escape::partial_escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(parameters: Vec<Value>) -> Call {
        Call {
            method: "search".to_owned(),
            parameters,
        }
    }

    fn words(words: &[&str]) -> Value {
        Value::List(
            words
                .iter()
                .map(|&word| Value::Text(word.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn names_and_summaries_are_one_query() {
        let fields = Value::Struct(vec![
            ("name".to_owned(), words(&["flask", "log"])),
            ("summary".to_owned(), words(&["flask"])),
        ]);
        for (operator, expected) in [
            (None, Query::all_of(["flask", "log"])),
            (Some("and"), Query::all_of(["flask", "log"])),
            (Some("or"), Query::any_of(["flask", "log"])),
        ] {
            let mut parameters = vec![fields.clone()];
            parameters.extend(operator.map(|operator| Value::Text(operator.to_owned())));
            assert_eq!(query(&call(parameters)), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_search_is_a_fault() {
        for parameters in [
            vec![],
            vec![words(&["flask"])],
            vec![Value::Struct(vec![("author".to_owned(), words(&["x"]))])],
            vec![Value::Struct(vec![]), Value::Text("xor".to_owned())],
        ] {
            assert!(query(&call(parameters.clone())).is_err(), "{parameters:?}");
        }
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(
            escaped("a<b>&\0\u{1b}\u{ffff}"),
            "a&lt;b&gt;&amp;\u{fffd}\u{fffd}\u{fffd}"
        );
    }
}
