//! Pages of the Simple API as PyPI writes them, by hand: the code under test must not be what
//! says how they look.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Links;
use super::state::{Project, State, UpstreamFile};
use crate::distribution::sha256_hex;

pub(super) const JSON: &str = "application/vnd.pypi.simple.v1+json";
pub(super) const HTML: &str = "application/vnd.pypi.simple.v1+html";

pub(super) fn project_json(state: &State, normalized: &str, project: &Project) -> Vec<u8> {
    let mut versions: Vec<&str> = Vec::new();
    for file in &project.files {
        if !versions.contains(&file.version.as_str()) {
            versions.push(&file.version);
        }
    }
    let files: Vec<Value> = project
        .files
        .iter()
        .map(|file| file_json(state, file))
        .collect();
    let mut page = json!({
        "alternate-locations": [],
        "files": files,
        "meta": meta(state, project.serial),
        "name": normalized,
        "project-status": {"status": "active"},
        "versions": versions,
    });
    if let Some((status, reason)) = &project.status {
        page["project-status"] = json!({"status": status});
        if let Some(reason) = reason {
            page["project-status"]["reason"] = json!(reason);
        }
    }
    page.to_string().into_bytes()
}

fn file_json(state: &State, file: &UpstreamFile) -> Value {
    let hashes: serde_json::Map<String, Value> = file
        .hashes
        .iter()
        .map(|(name, digest)| (name.clone(), json!(digest)))
        .collect();
    let mut entry = json!({
        "filename": file.name,
        "hashes": hashes,
        "provenance": null,
        "requires-python": file.requires_python,
        "url": link(state, file),
        "yanked": file.yanked.as_ref().map_or(json!(false), |reason| {
            if reason.is_empty() { json!(true) } else { json!(reason) }
        }),
    });
    if file.lists_size {
        entry["size"] = json!(file.bytes.len());
    }
    if let Some(time) = &file.upload_time {
        entry["upload-time"] = json!(time);
    }
    let mark = match offered_metadata(state, file) {
        Some(text) => json!({"sha256": sha256_hex(text.as_bytes())}),
        None => json!(false),
    };
    entry["core-metadata"] = mark.clone();
    entry["data-dist-info-metadata"] = mark;
    entry
}

pub(super) fn project_html(state: &State, normalized: &str, project: &Project) -> Vec<u8> {
    let mut page = head(&format!("Links for {normalized}"));
    if let Some((status, reason)) = &project.status {
        let meta = "<meta name=\"pypi:project-status";
        writeln!(page, "{meta}\" content=\"{}\">", escape(status)).unwrap();
        if let Some(reason) = reason {
            writeln!(page, "{meta}-reason\" content=\"{}\">", escape(reason)).unwrap();
        }
    }
    writeln!(page, "</head>\n<body>\n<h1>Links for {normalized}</h1>").unwrap();
    for file in &project.files {
        let mut url = link(state, file);
        if let Some((name, digest)) = file.hashes.first() {
            write!(url, "#{name}={digest}").unwrap();
        }
        write!(page, "<a href=\"{}\"", escape(&url)).unwrap();
        if let Some(requires) = &file.requires_python {
            write!(page, " data-requires-python=\"{}\"", escape(requires)).unwrap();
        }
        if let Some(reason) = &file.yanked {
            write!(page, " data-yanked=\"{}\"", escape(reason)).unwrap();
        }
        if let Some(text) = offered_metadata(state, file) {
            let digest = sha256_hex(text.as_bytes());
            for attribute in ["data-dist-info-metadata", "data-core-metadata"] {
                write!(page, " {attribute}=\"sha256={digest}\"").unwrap();
            }
        }
        writeln!(page, " >{}</a><br />", escape(&file.name)).unwrap();
    }
    page.push_str("</body>\n</html>\n");
    if state.serials {
        writeln!(page, "<!--SERIAL {}-->", project.serial).unwrap();
    }
    page.into_bytes()
}

pub(super) fn list_json(state: &State) -> Vec<u8> {
    let projects: Vec<Value> = state
        .projects
        .values()
        .map(|project| json!({"name": project.name}))
        .collect();
    json!({"meta": meta(state, state.serial), "projects": projects})
        .to_string()
        .into_bytes()
}

pub(super) fn list_html(state: &State) -> Vec<u8> {
    let mut page = head("Simple index");
    page.push_str("</head>\n<body>\n");
    for (normalized, project) in &state.projects {
        let name = escape(&project.name);
        writeln!(page, "<a href=\"/simple/{normalized}/\">{name}</a>").unwrap();
    }
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n\
         <meta name=\"pypi:repository-version\" content=\"1.4\">\n<title>{title}</title>\n"
    )
}

fn meta(state: &State, serial: u64) -> Value {
    if state.serials {
        json!({"_last-serial": serial, "api-version": "1.4"})
    } else {
        json!({"api-version": "1.4"})
    }
}

/// The core metadata that the upstream offers for a file.
pub(super) fn offered_metadata<'a>(state: &State, file: &'a UpstreamFile) -> Option<&'a str> {
    file.metadata.as_deref().filter(|_| state.core_metadata)
}

fn link(state: &State, file: &UpstreamFile) -> String {
    match state.links {
        // A page lies two levels deep: /simple/NAME/.
        Links::Relative => format!("../..{}", file.path()),
        Links::Absolute => {
            let origin = state.file_origin.as_ref().unwrap_or(&state.origin);
            format!("{origin}{}", file.path())
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
