//! Which index pip, uv and the others really use, and whether that is safe.

use url::Url;

use super::Finding;
use crate::Environment;
use crate::tool_config::{self, Setting, ToolUse, without_password};

pub(super) fn check(environment: &Environment, target: Option<&Url>, findings: &mut Vec<Finding>) {
    for tool in tool_config::tools(environment) {
        index(&tool, target, findings);
        extra(&tool, target, findings);
        unverified(&tool, target, findings);
    }
}

/// Whether a URL as it is written is of the server.
fn is_of(server: Option<&Url>, written: &str) -> bool {
    let (Some(server), Ok(url)) = (server, written.parse::<Url>()) else {
        return false;
    };
    url.host_str() == server.host_str()
        && url.port_or_known_default() == server.port_or_known_default()
}

fn index(tool: &ToolUse, target: Option<&Url>, findings: &mut Vec<Finding>) {
    let name = tool.tool;
    let does = if name == "twine" {
        "uploads to"
    } else {
        "installs from"
    };
    let advice = match name {
        "twine" => {
            "to upload to the server in use: `devpi upload`, or `eval \"$(cheeseshop env INDEX)\"`"
        }
        "poetry" | "pdm" => "add the index as a source to pyproject.toml",
        _ => "`devpi use --set-cfg`, or for this shell `eval \"$(cheeseshop env INDEX)\"`",
    };
    let Some(Setting { value, source }) = &tool.index else {
        let text = format!("{does} PyPI: no file and no variable names another index");
        findings.push(if target.is_some() && name != "twine" {
            Finding::warn(name, text, advice)
        } else {
            Finding::ok(name, text)
        });
        return;
    };
    let text = format!("{does} {} ({source})", without_password(value));
    findings.push(if target.is_none() || is_of(target, value) {
        Finding::ok(name, text)
    } else {
        Finding::warn(
            name,
            format!("{text}, which is not the server in use"),
            advice,
        )
    });
}

fn extra(tool: &ToolUse, target: Option<&Url>, findings: &mut Vec<Finding>) {
    if tool.extra.is_empty() {
        return;
    }
    let name = tool.tool;
    let listed = tool
        .extra
        .iter()
        .map(|one| format!("{} ({})", without_password(&one.value), one.source))
        .collect::<Vec<_>>()
        .join(", ");
    if !tool.mixes_indexes {
        findings.push(Finding::ok(
            name,
            format!("also asks {listed}; the first index that has a project is the only one asked for it"),
        ));
        return;
    }
    let asked = tool.index.iter().chain(&tool.extra);
    let is_ours: Vec<_> = asked.map(|one| is_of(target, &one.value)).collect();
    // What nothing names is PyPI.
    let has_other = is_ours.contains(&false) || tool.index.is_none();
    let text = format!(
        "also asks {listed}, and takes the best version of all: whoever publishes a project of your name \
         with a higher version elsewhere has it installed here"
    );
    let advice = "remove it; instead, let one index inherit the others (`devpi index USER/NAME bases=…`), \
                  which hides names of yours elsewhere";
    findings.push(if is_ours.contains(&true) && has_other {
        Finding::fix(name, text, advice)
    } else {
        Finding::warn(name, text, advice)
    });
}

fn unverified(tool: &ToolUse, target: Option<&Url>, findings: &mut Vec<Finding>) {
    for one in &tool.unverified {
        let host = one
            .value
            .rsplit_once(':')
            .map_or(one.value.as_str(), |(host, port)| {
                if port.bytes().all(|byte| byte.is_ascii_digit()) {
                    host
                } else {
                    &one.value
                }
            });
        let host = host
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let server = target.and_then(Url::host_str);
        let is_server = host == "*" || Some(host) == server;
        let text = format!(
            "believes {} without a certificate ({})",
            if host == "*" { "an index" } else { host },
            one.source
        );
        let is_plain = target.is_some_and(|url| url.scheme() == "http");
        findings.push(if is_server && is_plain {
            Finding::warn(
                tool.tool,
                text,
                "the server is asked without TLS anyway; once it has TLS, remove this",
            )
        } else if is_server {
            Finding::fix(
                tool.tool,
                text,
                "remove it (`devpi use --pip-set-trusted no --set-cfg` for pip); trust your company's \
                 authority instead: `cheeseshop certs bundle --add FILE`",
            )
        } else {
            Finding::warn(tool.tool, text, "remove it, unless you know why it is there")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn setting(value: &str) -> Setting {
        Setting {
            value: value.to_owned(),
            source: "file".to_owned(),
        }
    }

    fn found(tool: &ToolUse, target: &str) -> Vec<Finding> {
        let target: Url = target.parse().unwrap();
        let mut findings = Vec::new();
        index(tool, Some(&target), &mut findings);
        extra(tool, Some(&target), &mut findings);
        unverified(tool, Some(&target), &mut findings);
        findings
    }

    fn levels(tool: &ToolUse, target: &str) -> Vec<Level> {
        found(tool, target).iter().map(|one| one.level).collect()
    }

    #[test]
    fn an_extra_index_elsewhere_is_to_be_fixed_where_versions_compete() {
        let ours = "https://shop.test/bob/dev/+simple/";
        let mut pip = ToolUse {
            tool: "pip",
            index: Some(setting("https://u:secret@shop.test/bob/dev/+simple/")),
            extra: vec![setting("https://elsewhere.example/simple/")],
            mixes_indexes: true,
            ..ToolUse::default()
        };
        assert_eq!(levels(&pip, ours), [Level::Ok, Level::Fix]);
        assert!(!found(&pip, ours)[0].text.contains("secret"));
        pip.extra = vec![setting(ours)];
        assert_eq!(levels(&pip, ours), [Level::Ok, Level::Warn]);
        pip.index = None;
        assert_eq!(levels(&pip, ours), [Level::Warn, Level::Fix]);
        pip.mixes_indexes = false;
        assert_eq!(levels(&pip, ours), [Level::Warn, Level::Ok]);
    }

    #[test]
    fn verification_that_is_off_is_to_be_fixed_for_the_server() {
        let mut pip = ToolUse {
            tool: "pip",
            index: Some(setting("https://shop.test:8443/bob/dev/+simple/")),
            ..ToolUse::default()
        };
        let ours = "https://shop.test:8443/";
        for (host, level) in [
            ("shop.test", Level::Fix),
            ("shop.test:8443", Level::Fix),
            ("*", Level::Fix),
            ("other.test", Level::Warn),
        ] {
            pip.unverified = vec![setting(host)];
            assert_eq!(levels(&pip, ours), [Level::Ok, level], "{host}");
        }
        pip.unverified = vec![setting("shop.test")];
        assert_eq!(
            levels(&pip, "http://shop.test:8443/"),
            [Level::Ok, Level::Warn]
        );
    }
}
