//! Two answers side by side, and the differences that are meant.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::normal::Normal;
use super::wire::{Answer, Request};

/// Headers whose value means the same from both.
const HEADERS: &[&str] = &[
    "www-authenticate",
    "x-devpi-api-version",
    "x-devpi-server-version",
    "x-pypi-last-serial",
];

/// Headers whose value is a server's own, but which must be there.
const PRESENT: &[&str] = &[
    "x-devpi-uuid",
    "x-devpi-serial",
    "x-devpi-master-uuid",
    "x-devpi-primary-uuid",
];

/// One thing in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// `scenario: PUT /bob by root`
    pub(super) step: String,
    /// `status`, `reason`, `header location`, `json /result/bases`, `links`, `body`
    pub(super) field: String,
    pub(super) devpi: String,
    pub(super) ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n    {}\n      devpi: {}\n      ours:  {}",
            self.step, self.field, self.devpi, self.ours
        )
    }
}

/// Everything in which the answers to one request differ. Answers of different status are not
/// looked into any further.
pub(super) fn differences(
    step: &str,
    request: &Request,
    devpi: (&Answer, &Normal),
    ours: (&Answer, &Normal),
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |field: &str, devpi: String, ours: String| {
        if devpi != ours {
            found.push(Difference {
                step: step.to_owned(),
                field: field.to_owned(),
                devpi,
                ours,
            });
        }
    };
    let ((devpi, their_normal), (ours, our_normal)) = (devpi, ours);
    if devpi.status != ours.status {
        let told = |answer: &Answer, normal: &Normal| {
            let told = format!("{} {}", answer.status, gist(answer, normal));
            told.trim_end().to_owned()
        };
        compare("status", told(devpi, their_normal), told(ours, our_normal));
        return found;
    }
    compare("reason", devpi.reason.clone(), ours.reason.clone());
    for name in HEADERS {
        let value = |answer: &Answer| answer.header(name).unwrap_or("none").to_owned();
        compare(&format!("header {name}"), value(devpi), value(ours));
    }
    for name in PRESENT {
        let there = |answer: &Answer| answer.header(name).is_some().to_string();
        compare(&format!("header {name}"), there(devpi), there(ours));
    }
    compare(
        "header location",
        location(request, devpi, their_normal),
        location(request, ours, our_normal),
    );
    // What is told to eyes only may be told in HTML or in plain text, and nothing has no type.
    let has_body = !devpi.body.is_empty() && devpi.status != 302;
    if has_body && (devpi.status == 200 || devpi.media_type() == "application/json") {
        compare(
            "header content-type",
            devpi.media_type().to_owned(),
            ours.media_type().to_owned(),
        );
    }
    match (devpi.document(), ours.document()) {
        (Some(theirs), Some(document)) => {
            let mut pairs = Vec::new();
            in_documents(
                "",
                &their_normal.document(theirs),
                &our_normal.document(document),
                &mut pairs,
            );
            for (path, devpi, ours) in pairs {
                compare(&format!("json {path}"), devpi, ours);
            }
        }
        // What is for eyes looks different; what installers read must not.
        _ if devpi.status == 200
            && devpi.is_html()
            && ours.is_html()
            && ["/+simple", "/+findlinks"]
                .iter()
                .any(|part| request.path.contains(part)) =>
        {
            compare(
                "links",
                links(&their_normal.text(&devpi.text())),
                links(&our_normal.text(&ours.text())),
            );
        }
        _ if devpi.is_html() || devpi.status == 302 => {}
        _ => {
            let (theirs, mine) = (gist(devpi, their_normal), gist(ours, our_normal));
            // devpi puts the status line before it.
            if devpi.status < 400 || !theirs.ends_with(&mine) {
                compare("body", theirs, mine);
            }
        }
    }
    found
}

/// What an answer says, in one short line.
fn gist(answer: &Answer, normal: &Normal) -> String {
    let text = match answer.document() {
        Some(document) => document["message"]
            .as_str()
            .map_or_else(|| document.to_string(), str::to_owned),
        None if answer.is_html() => "(HTML)".to_owned(),
        None => answer.text(),
    };
    let text = normal.text(&text);
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ").chars().take(300).collect()
}

/// Where a redirect leads to, as a whole URL.
fn location(request: &Request, answer: &Answer, normal: &Normal) -> String {
    let Some(location) = answer.header("location") else {
        return "none".to_owned();
    };
    let location = normal.text(location).replace("%2B", "+");
    let base = Url::parse(&request.url_outside("http://server")).unwrap();
    base.join(&location.replace("//SERVER", "//server"))
        .map_or(location, String::from)
}

/// Where two documents differ, as JSON pointers. Lists of the same length are compared item by item.
fn in_documents(
    path: &str,
    devpi: &Value,
    ours: &Value,
    found: &mut Vec<(String, String, String)>,
) {
    match (devpi, ours) {
        (Value::Object(theirs), Value::Object(members)) => {
            let keys: BTreeSet<&String> = theirs.keys().chain(members.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                match (theirs.get(key), members.get(key)) {
                    (Some(theirs), Some(value)) => in_documents(&path, theirs, value, found),
                    (theirs, value) => found.push((path, presence(theirs), presence(value))),
                }
            }
        }
        (Value::Array(theirs), Value::Array(items)) if theirs.len() == items.len() => {
            for (number, (theirs, item)) in theirs.iter().zip(items).enumerate() {
                in_documents(&format!("{path}/{number}"), theirs, item, found);
            }
        }
        _ if devpi == ours => {}
        _ => found.push((path.to_owned(), devpi.to_string(), ours.to_string())),
    }
}

fn presence(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}

/// The links of a simple page with what devpi tells of a file, one a line, sorted: order means
/// nothing to installers.
fn links(page: &str) -> String {
    const TOLD: [&str; 2] = ["data-requires-python=", "data-yanked="];
    let mut links: Vec<String> = page
        .split("<a ")
        .skip(1)
        .filter_map(|rest| {
            let (attributes, rest) = rest.split_once('>')?;
            let (text, _) = rest.split_once("</a>")?;
            let mut link = text.trim().to_owned();
            let mut attributes: Vec<&str> =
                attributes.split_inclusive("\" ").map(str::trim).collect();
            attributes.sort_unstable();
            for attribute in attributes {
                let told = TOLD.iter().any(|name| attribute.starts_with(name));
                // An empty requirement is none (register of quirks, 6).
                if attribute.starts_with("href=")
                    || (told && attribute != "data-requires-python=\"\"")
                {
                    link.push(' ');
                    link.push_str(attribute);
                }
            }
            Some(link)
        })
        .collect();
    links.sort();
    links.join("\n             ")
}

/// A difference that is meant.
#[derive(Debug)]
pub(super) struct Allowance {
    reason: String,
    case: Case,
}

/// Where answers may differ.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Steps that it is for; `*` stands for anything. Without it: all.
    #[serde(default)]
    step: Option<Vec<String>>,
    /// The fields that may differ.
    field: Vec<String>,
    /// What devpi answers.
    #[serde(default)]
    devpi: Option<String>,
    /// What we answer.
    #[serde(default)]
    ours: Option<String>,
}

/// A reason with the cases that it explains.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    allowed: Vec<Reason>,
}

/// How many reasons there may be: each is something that people who come from devpi may stumble on.
const MAX_REASONS: usize = 35;

impl Allowance {
    /// The list of allowed differences.
    pub(super) fn all() -> Vec<Self> {
        let file: File = toml::from_str(include_str!("allowed.toml")).unwrap();
        assert!(file.allowed.len() <= MAX_REASONS, "too many reasons");
        let mut allowances = Vec::new();
        for Reason { reason, case } in file.allowed {
            assert!(reason.len() > 10, "{case:?} has no reason");
            allowances.extend(case.into_iter().map(|case| Self {
                reason: reason.clone(),
                case,
            }));
        }
        allowances
    }

    pub(super) fn covers(&self, difference: &Difference) -> bool {
        let one_of =
            |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
        let case = &self.case;
        case.step
            .as_ref()
            .is_none_or(|steps| one_of(steps, &difference.step))
            && one_of(&case.field, &difference.field)
            && case
                .devpi
                .as_ref()
                .is_none_or(|pattern| matches(pattern, &difference.devpi))
            && case
                .ours
                .as_ref()
                .is_none_or(|pattern| matches(pattern, &difference.ours))
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.case.field.join(", "))
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_compared_to_their_depths() {
        let mut found = Vec::new();
        in_documents(
            "",
            &json!({"a": {"b": [1, 2]}, "gone": true, "same": 1}),
            &json!({"a": {"b": [1, 3]}, "new": null, "same": 1}),
            &mut found,
        );
        let found: Vec<String> = found
            .into_iter()
            .map(|(path, devpi, ours)| format!("{path} {devpi} {ours}"))
            .collect();
        assert_eq!(
            found,
            ["/a/b/1 2 3", "/gone true absent", "/new absent null"]
        );
    }

    #[test]
    fn patterns_match_anything_at_a_star() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn links_are_compared_without_their_order() {
        let one = r#"<a href="x" data-yanked="">x</a> <a href="y">y</a>"#;
        let two =
            r#"<a href="y" data-requires-python="">y</a><br><a data-yanked="" href="x">x</a>"#;
        assert_eq!(links(one), links(two));
    }
}
