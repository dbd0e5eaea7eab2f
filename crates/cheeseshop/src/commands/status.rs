//! `cheeseshop status`: asks a running server how it is.

use cheeseshop_client::Server;
use cheeseshop_domain::Clock as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::StatusArgs;
use crate::clock::SystemClock;
use crate::commands::moving::bytes;
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
        output::data(&format!("{:#}", status.document));
        return Ok(());
    }
    let api = server.api().await.map_err(|error| {
        Failure::caused_by(&format!("{} gave no API description", server.url()), &error)
    })?;
    output::data(&format!("server    {}", server.url()));
    for (package, version) in &status.versions {
        output::data(&format!("version   {package} {version}"));
    }
    output::data(&format!("identity  {}", status.uuid));
    output::data(&format!("role      {}", status.role));
    output::data(&format!("serial    {}", status.serial));
    output::data(&format!("features  {}", api.features.join(", ")));
    output::data(&format!("backup    {}", backup(&status.document)));
    Ok(())
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
        ..1 => (age.as_mins().max(0), "minutes"),
        hours @ 1..48 => (hours, "hours"),
        hours => (hours / 24, "days"),
    };
    format!("{count} {unit} ago")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            (60, "1 hours ago"),
            (48 * 60, "2 days ago"),
        ] {
            assert_eq!(age(SignedDuration::from_mins(minutes)), expected);
        }
    }
}
