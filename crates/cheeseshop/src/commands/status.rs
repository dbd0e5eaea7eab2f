//! `cheeseshop status`: asks a running server how it is.

use cheeseshop_client::commands::escaped_json;
use cheeseshop_client::{Api, Server, Status};
use cheeseshop_domain::Clock as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::Url;

use crate::cli::StatusArgs;
use crate::clock::SystemClock;
use crate::commands::moving::{bytes, printable};
use crate::failure::Failure;
use crate::output;

/// Prints what the server says of itself.
pub(crate) async fn run(arguments: &StatusArgs) -> Result<(), Failure> {
    let server = Server::new(arguments.url.clone())
        .map_err(|error| Failure::caused_by("cannot ask a server", &error))?;
    let status = server.status().await.map_err(|error| {
        Failure::caused_by(&format!("{} gave no status", server.url()), &error)
            .with_hint("is `cheeseshop serve` running there?")
    })?;
    if arguments.json {
        output::data(&escaped_json(&format!("{:#}", status.document)));
        return Ok(());
    }
    let api = server.api().await.map_err(|error| {
        Failure::caused_by(&format!("{} gave no API description", server.url()), &error)
    })?;
    for line in lines(&server.url(), &status, &api) {
        output::data(&line);
    }
    Ok(())
}

/// What is told, without what in the words of a server would steer the terminal.
fn lines(url: &Url, status: &Status, api: &Api) -> Vec<String> {
    let versions = status
        .versions
        .iter()
        .map(|(package, version)| ("version", format!("{package} {version}")));
    [("server", url.to_string())]
        .into_iter()
        .chain(versions)
        .chain([
            ("identity", status.uuid.clone()),
            ("role", status.role.clone()),
            ("serial", status.serial.to_string()),
            ("features", api.features.join(", ")),
            ("backup", backup(&status.document)),
        ])
        .map(|(name, value)| printable(&format!("{name:<10}{value}")))
        .collect()
}

/// What the server knows of its newest backup.
fn backup(status: &Value) -> String {
    let metric = |name: &str| {
        let metrics = status["metrics"].as_array()?;
        let metric = metrics.iter().find(|metric| metric[0] == name)?;
        metric[2].as_u64()
    };
    let finished = metric("cheeseshop_backup_finished_timestamp_seconds")
        .and_then(|second| Timestamp::from_second(i64::try_from(second).ok()?).ok());
    let Some(finished) = finished else {
        return "none that the server knows of".to_owned();
    };
    let size = bytes(metric("cheeseshop_backup_bytes").unwrap_or_default());
    format!(
        "{finished}, {}, {size}",
        age(SystemClock.now().duration_since(finished))
    )
}

/// How long ago, in the largest unit that says enough.
fn age(age: SignedDuration) -> String {
    let (count, unit) = match age.as_hours() {
        ..1 => (age.as_mins().max(0), "minute"),
        hours @ 1..48 => (hours, "hour"),
        hours => (hours / 24, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_does_not_steer_the_terminal() {
        let status = Status {
            uuid: "ab\r".to_owned(),
            role: "MASTER\u{1b}[2J".to_owned(),
            serial: 7,
            versions: [("cheeseshop".to_owned(), "1\u{9b}2J".to_owned())].into(),
            document: json!({}),
        };
        let api: Api = serde_json::from_value(json!({
            "login": "http://a.test/+login", "authstatus": ["noauth", "", []], "features": ["a\nb"],
        }))
        .unwrap();
        let url = "http://a.test/".parse().unwrap();
        assert_eq!(
            lines(&url, &status, &api),
            [
                "server    http://a.test/",
                "version   cheeseshop 1\u{fffd}2J",
                "identity  ab\u{fffd}",
                "role      MASTER\u{fffd}[2J",
                "serial    7",
                "features  a\u{fffd}b",
                "backup    none that the server knows of",
            ]
        );
    }

    #[test]
    fn no_backup_is_told_as_such() {
        for document in [
            json!({}),
            json!({"metrics": [["cheeseshop_users", "gauge", 1]]}),
        ] {
            assert_eq!(backup(&document), "none that the server knows of");
        }
    }

    #[test]
    fn a_backup_is_told_with_time_and_size() {
        let document = json!({"metrics": [
            ["cheeseshop_backup_finished_timestamp_seconds", "gauge", 0],
            ["cheeseshop_backup_bytes", "gauge", 2500],
        ]});
        let told = backup(&document);
        assert!(told.starts_with("1970-01-01T00:00:00Z, "), "{told}");
        assert!(told.ends_with(" days ago, 2.5 kB"), "{told}");
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        for (minutes, expected) in [
            (0, "0 minutes ago"),
            (59, "59 minutes ago"),
            (1, "1 minute ago"),
            (60, "1 hour ago"),
            (48 * 60, "2 days ago"),
        ] {
            assert_eq!(age(SignedDuration::from_mins(minutes)), expected);
        }
    }
}
