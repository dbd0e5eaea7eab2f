//! The job of a Jenkins server: devpi's `uploadtrigger_jenkins`.
//!
//! The job has a file parameter called `jobscript.py` and runs what comes in it: a script that tests the release with
//! devpi's client and uploads the result.

use cheeseshop_packaging::UploadForm;
use cheeseshop_packaging::upload::{Enclosure, FilePart};
use serde_json::json;

use super::{Arrival, Call, is_accepted};
use crate::outbound::{Reply, boundary};

const SCRIPT: &str = include_str!("jobscript.py.in");

/// The call for an index that has the setting.
pub(super) fn call(arrival: &Arrival<'_>) -> Result<Option<Call>, String> {
    let Some(setting) = &arrival.index.config.upload_trigger else {
        return Ok(None);
    };
    let (project, version) = (arrival.project.normalized(), arrival.version.as_str());
    let (url, credentials) = setting
        .resolve(project, version)
        .ok_or_else(|| format!("{project} {version} gives no address of a Jenkins job"))?;
    let boundary = boundary().map_err(|error| error.to_string())?;
    let part = FilePart {
        field: "file0",
        filename: "file0",
        content_type: "application/octet-stream",
    };
    let enclosure = Enclosure::new(&boundary, &form()?, part);
    let mut body = enclosure.before;
    body.extend(script(arrival).into_bytes());
    body.extend(enclosure.after);
    Ok(Some(Call {
        name: "Jenkins",
        url,
        credentials,
        content_type: enclosure.content_type,
        body,
        is_success,
    }))
}

/// What a browser sends that starts the job by hand.
fn form() -> Result<UploadForm, String> {
    let parameter = json!({"parameter": {"name": "jobscript.py", "file": "file0"}}).to_string();
    let mut form = UploadForm::new();
    for (name, value) in [
        ("Submit", "Build"),
        ("name", "jobscript.py"),
        ("json", parameter.as_str()),
    ] {
        form.push(name, value).map_err(|error| error.to_string())?;
    }
    Ok(form)
}

fn script(arrival: &Arrival<'_>) -> String {
    let index = format!("{}/{}", arrival.base_url, arrival.index.name);
    let release = format!("{}=={}", arrival.project.normalized(), arrival.version);
    // JSON's strings are Python's. One pass, so that nothing inserted is taken for a place.
    let (head, rest) = SCRIPT.split_once("@INDEX@").unwrap_or((SCRIPT, ""));
    let (middle, tail) = rest.split_once("@RELEASE@").unwrap_or((rest, ""));
    format!("{head}{}{middle}{}{tail}", json!(index), json!(release))
}

/// Jenkins answers a form by a redirect to the job, or to its login page.
fn is_success(answer: &Reply) -> bool {
    let path = answer.location.as_deref().unwrap_or_default();
    is_accepted(answer.status) && !path.ends_with("/login") && !path.ends_with("/commenceLogin")
}

#[cfg(test)]
mod tests {
    use cheeseshop_domain::{Index, IndexConfig, IndexId, IndexName};
    use cheeseshop_packaging::{ProjectName, Version};
    use http::StatusCode;

    use super::*;

    fn index(trigger: &serde_json::Value) -> Index {
        let name = IndexName::parse("bob/dev").unwrap();
        let body = json!({"uploadtrigger_jenkins": trigger});
        Index {
            id: IndexId(1),
            config: IndexConfig::create(&name.user, body.as_object().unwrap(), &|_| true).unwrap(),
            name,
            created: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn body_for(trigger: &serde_json::Value, version: &str) -> Option<(String, String)> {
        let index = index(trigger);
        let arrival = Arrival {
            index: &index,
            project: &ProjectName::parse("My_Pkg").unwrap(),
            version: &Version::parse(version).unwrap(),
            base_url: "https://shop.test/sub",
        };
        let call = call(&arrival).unwrap()?;
        Some((call.url.into(), String::from_utf8(call.body).unwrap()))
    }

    #[test]
    fn the_script_tests_the_release_from_its_index() {
        let (url, body) =
            body_for(&json!("http://ci.test/job/{pkgname}/{pkgversion}"), "1.0").unwrap();
        assert_eq!(url, "http://ci.test/job/my-pkg/1.0");
        for expected in [
            "INDEX = \"https://shop.test/sub/bob/dev\"\n",
            "RELEASE = \"my-pkg==1.0\"\n",
            "name=\"Submit\"\r\n\r\nBuild\r\n",
            "name=\"json\"\r\n\r\n{\"parameter\":{\"name\":\"jobscript.py\",\"file\":\"file0\"}}\r\n",
            "name=\"file0\"; filename=\"file0\"",
        ] {
            assert!(body.contains(expected), "{expected}\n{body}");
        }
        assert!(!body.contains('@'));
    }

    #[test]
    fn a_version_cannot_leave_its_string() {
        let (_, body) = body_for(&json!("http://ci.test/"), "1';import os@RELEASE@").unwrap();
        assert!(
            body.contains("RELEASE = \"my-pkg==1';import os@RELEASE@\"\n"),
            "{body}"
        );
    }

    #[test]
    fn without_the_setting_nobody_is_called() {
        assert!(body_for(&json!(null), "1.0").is_none());
    }

    #[test]
    fn a_redirect_to_the_job_is_success_and_one_to_the_login_is_not() {
        for (status, location, expected) in [
            (201, None, true),
            (200, None, true),
            (302, Some("http://ci.test/job/x/"), true),
            (303, Some("http://ci.test/job/x/"), true),
            (302, Some("http://ci.test/login"), false),
            (
                302,
                Some("http://ci.test/securityRealm/commenceLogin"),
                false,
            ),
            (301, Some("https://ci.test/job/x/build"), false),
            (308, Some("https://ci.test/job/x/build"), false),
            (403, None, false),
            (500, None, false),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                text: String::new(),
                location: location.map(str::to_owned),
            };
            assert_eq!(is_success(&reply), expected, "{status} {location:?}");
        }
    }
}
