//! What a server answers on every route that tells of its data, made comparable.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::World;
use crate::support::{Api, digest};

/// Answers by route.
pub(super) struct Picture(BTreeMap<String, Value>);

impl Picture {
    /// Asks a server, as anybody may.
    pub(super) async fn take(url: &str, world: &World) -> Self {
        let mut picture = Self(BTreeMap::new());
        let api = Api::anonymous(url);
        let normal = |value: Value| without_address(value, url);
        picture.document(&api, "/", "/", normal).await;
        for user in ["root", "alice", "bob"] {
            picture
                .document(&api, &format!("/{user}"), user, normal)
                .await;
        }
        for index in &world.indexes {
            picture
                .document(&api, &format!("/{index}"), index, normal)
                .await;
        }
        for (index, project, version) in &world.releases {
            let path = format!("{index}/{project}");
            picture
                .document(&api, &format!("/{path}"), &path, normal)
                .await;
            picture
                .document(&api, &format!("/{path}?ignore_bases"), &path, normal)
                .await;
            let release = format!("{path}/{version}");
            picture
                .document(&api, &format!("/{release}"), &release, normal)
                .await;
            picture.simple_page(&api, index, project, url).await;
        }
        let links: Vec<String> = picture.links();
        for link in links {
            let response = api.get(&link).await;
            let status = response.status().as_u16();
            let bytes = response.bytes().await.unwrap();
            picture
                .0
                .insert(format!("GET {link}"), json!([status, digest(&bytes)]));
        }
        picture
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    async fn document(
        &mut self,
        api: &Api,
        route: &str,
        path: &str,
        normal: impl Fn(Value) -> Value,
    ) {
        let path = if route.contains('?') { route } else { path };
        let request = api
            .request(reqwest::Method::GET, path)
            .header("Accept", "application/json");
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let document: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.0
            .insert(format!("GET {route}"), json!([status, normal(document)]));
    }

    /// The files that a project page lists: what installers see, in either form.
    async fn simple_page(&mut self, api: &Api, index: &str, project: &str, url: &str) {
        let path = format!("{index}/+simple/{project}/");
        let page = api
            .request(reqwest::Method::GET, &path)
            .header("Accept", "application/vnd.pypi.simple.v1+json")
            .send()
            .await
            .unwrap();
        let base = page.url().clone();
        let document: Value = serde_json::from_str(&page.text().await.unwrap()).unwrap();
        let files: BTreeMap<String, Value> = document["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                let href = base.join(file["url"].as_str().unwrap()).unwrap();
                let told = json!({
                    "url": href.as_str().replace(url, "SERVER"),
                    "sha256": file["hashes"]["sha256"],
                    // devpi-server writes an empty one where there is none (quirk 6).
                    "requires-python": file["requires-python"].as_str().filter(|text| !text.is_empty()),
                    "yanked": file.get("yanked").cloned().unwrap_or(json!(false)),
                });
                (file["filename"].as_str().unwrap().to_owned(), told)
            })
            .collect();
        self.0.insert(format!("GET /{path} as JSON"), json!(files));
        let page = api
            .request(reqwest::Method::GET, &path)
            .header("Accept", "text/html")
            .header("User-Agent", "pip/26.2")
            .send()
            .await
            .unwrap();
        let base = page.url().clone();
        let html = page.text().await.unwrap();
        let mut links: Vec<String> = html
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| base.join(rest.split('"').next()?).ok())
            .filter(|link| link.path().contains("/+f/"))
            .map(|link| link.as_str().replace(url, "SERVER"))
            .collect();
        links.sort();
        self.0.insert(format!("GET /{path} as HTML"), json!(links));
    }

    /// Every file that any document points to, as a path.
    fn links(&self) -> Vec<String> {
        let mut found = Vec::new();
        for answer in self.0.values() {
            collect(answer, &mut found);
        }
        found.sort();
        found.dedup();
        found
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Some(path) = text.strip_prefix("SERVER/")
                && path.contains("/+f/")
            {
                found.push(path.split('#').next().unwrap_or_default().to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Without what differs between any two servers.
fn without_address(value: Value, url: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(url, "SERVER")),
        Value::Array(items) => items
            .into_iter()
            .map(|item| without_address(item, url))
            .collect(),
        Value::Object(members) => members
            .into_iter()
            // devpi-server leaves out a list of links that would be empty.
            .filter(|(key, value)| key != "+links" || *value != json!([]))
            .map(|(key, value)| {
                let value = match key.as_str() {
                    // The order of links has no meaning.
                    "+links" => sorted(without_address(value, url)),
                    _ => without_address(value, url),
                };
                (key, value)
            })
            .collect(),
        other => other,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut items) => {
            items.sort_by_key(|link| link["href"].as_str().unwrap_or_default().to_owned());
            Value::Array(items)
        }
        other => other,
    }
}

/// # Panics
/// With every route on which the two differ.
pub(super) fn assert_same(one_name: &str, one: &Picture, two_name: &str, two: &Picture) {
    let mut differences = Vec::new();
    for route in one
        .0
        .keys()
        .chain(two.0.keys())
        .collect::<std::collections::BTreeSet<_>>()
    {
        let (one, two) = (one.0.get(route), two.0.get(route));
        if one != two {
            let shown =
                |answer: Option<&Value>| answer.map_or("nothing".to_owned(), ToString::to_string);
            differences.push(format!(
                "{route}\n  {one_name}: {}\n  {two_name}: {}",
                shown(one),
                shown(two)
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} routes differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
