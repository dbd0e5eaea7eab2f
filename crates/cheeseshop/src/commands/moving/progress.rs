//! How far it is: one line that moves where a person looks, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use cheeseshop_app::import::{Progress, ProgressNow};

use crate::output;

/// How often a person is told.
const FOR_A_PERSON: Duration = Duration::from_millis(200);

/// How often a log is told.
const FOR_A_LOG: Duration = Duration::from_secs(10);

/// Does the work, and says how far it is meanwhile.
pub(crate) async fn watched<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let is_person = std::io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(if is_person { FOR_A_PERSON } else { FOR_A_LOG });
    ticks.tick().await;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                if is_person {
                    output::passing("");
                }
                return done;
            }
            _ = ticks.tick() => {
                let line = line(&progress.now());
                if is_person {
                    output::passing(&line);
                } else {
                    output::talk(&line);
                }
            }
        }
    }
}

fn line(now: &ProgressNow) -> String {
    if now.index.is_empty() {
        return "reading users and indexes".to_owned();
    }
    let of_all = now
        .index_projects
        .map_or_else(String::new, |all| format!(" of {all}"));
    format!(
        "{}: {}{of_all} projects; {} files, {} in all",
        now.index,
        now.projects,
        now.files,
        bytes(now.bytes)
    )
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut whole = count;
    let mut tenths = 0;
    let mut unit = "bytes";
    for larger in UNITS {
        if whole < 1000 {
            break;
        }
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit = larger;
    }
    if unit == "bytes" {
        format!("{whole} bytes")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_units_of_a_fitting_size() {
        for (count, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_299_999, "1.2 MB"),
            (100_000_000_000, "100.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn a_line_says_where_it_is() {
        assert_eq!(line(&ProgressNow::default()), "reading users and indexes");
        let now = ProgressNow {
            index: "bob/dev".to_owned(),
            index_projects: Some(9),
            projects: 3,
            files: 12,
            bytes: 2_500,
        };
        assert_eq!(
            line(&now),
            "bob/dev: 3 of 9 projects; 12 files, 2.5 kB in all"
        );
        let unknown = ProgressNow {
            index_projects: None,
            ..now
        };
        assert_eq!(
            line(&unknown),
            "bob/dev: 3 projects; 12 files, 2.5 kB in all"
        );
    }
}
