//! `cheeseshop clean`: old releases go, after they were shown.

mod findings;
mod look;

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::Requirement;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use regex_lite::Regex;
use secrecy::ExposeSecret as _;

use self::findings::{Fate, Findings};
use self::look::{index_of, indexes_of, look};
use crate::clean::Rules;
use crate::commands::clock::now;
use crate::commands::tokens::duration;
use crate::commands::{Failure, Session};
use crate::layout::SecretSource;
use crate::{Credentials, Error, Server, Token};

/// Arguments of `cheeseshop clean`.
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
#[derive(Args, Debug)]
pub struct CleanArgs {
    /// The index (NAME, USER/NAME or a URL; none with --user), and which releases of it:
    /// requirements such as `flask` or `flask<2`.
    #[arg(value_name = "INDEX [SPEC]", required_unless_present = "user")]
    index_and_specs: Vec<String>,

    /// All indexes of this user, instead of one.
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Only projects in whose name this regular expression is found.
    #[arg(long, value_name = "REGEX")]
    regex: Option<Regex>,

    /// Only versions in which this regular expression is found.
    #[arg(long, value_name = "REGEX")]
    version_filter: Option<Regex>,

    /// Only development versions (`1.0.dev3`).
    #[arg(long, visible_alias = "dev-only")]
    dev: bool,

    /// Only what came longer ago than this: `90d`, `12 weeks`, `1 year`.
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,

    /// Keep so many of the newest versions of each project, of those that the other options mean.
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,

    /// Also from indexes that are not volatile, where files are there to stay.
    #[arg(short, long)]
    force: bool,

    /// Show what would go, and neither ask nor remove.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// How many releases are removed at once.
    #[arg(short, long, value_name = "N", default_value = "2")]
    jobs: NonZeroUsize,

    /// Ask as the user whose token is the first line of this file, in place of whoever has logged in.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Write the report as JSON; without -y nothing is asked and nothing removed.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(session: &mut Session, arguments: &CleanArgs) -> Result<(), Failure> {
    if arguments.json {
        session.output.be_quiet();
    }
    let (index, specs) = match (&arguments.user, arguments.index_and_specs.split_first()) {
        (None, Some((index, specs))) => (Some(index.as_str()), specs),
        (_, _) => (None, arguments.index_and_specs.as_slice()),
    };
    let rules = rules(arguments, specs, now())?;
    if let Some(file) = &arguments.token_file {
        session.stand_in = Some(owner_of_token(file, session)?);
    }
    let mut connection = session.connection(index).await.map_err(not_tried)?;
    let server = connection.server().map_err(not_tried)?;
    let indexes = match &arguments.user {
        Some(user) => indexes_of(session, &server, user).await?,
        None => vec![index_of(&server, &connection).await?],
    };
    let mut findings = Findings::default();
    for index in indexes {
        session
            .output
            .passing(&format!("looking at {}", index.name));
        findings.indexes.push(look(&server, index, &rules).await?);
    }
    session.output.passing("");
    let is_settled = session.options.yes && !arguments.dry_run;
    let count = findings.count();
    if !arguments.json {
        findings.show(&mut session.output);
    }
    let kept = findings.kept_by_force(arguments.force);
    let is_wanted = count > kept.count
        && (is_settled || (!arguments.json && asks(session, arguments, count - kept.count)?));
    if is_wanted {
        remove(session, &server, &mut findings, arguments).await;
    } else if count > 0 && !arguments.json && !is_settled {
        session
            .output
            .talk("nothing was removed; -y removes what is listed");
    }
    if arguments.json {
        session.output.json(&format!("{:#}", findings.document()));
    } else if is_wanted {
        findings.tell(&mut session.output);
    }
    for name in &kept.names {
        session.output.talk(&format!(
            "{name} is not volatile: nothing goes from there without --force"
        ));
    }
    let is_refused = is_settled && !kept.names.is_empty();
    if is_refused || findings.has_failed() {
        return Err(Failure::told());
    }
    Ok(())
}

/// The login that a token in a file is.
fn owner_of_token(file: &Path, session: &Session) -> Result<Credentials, Failure> {
    let environment = &session.environment;
    let secret = SecretSource::File(file.to_owned())
        .read(environment.directory(), environment)
        .map_err(Failure::usage)?;
    let token = Token::parse(secret.expose_secret());
    let user = token
        .as_ref()
        .and_then(Token::user_and_id)
        .map(|(user, _)| user.to_owned())
        .ok_or_else(|| Failure::usage(format!("{} holds no token", file.display())))?;
    Ok(Credentials { user, secret })
}

/// What is meant, and that something is.
fn rules(arguments: &CleanArgs, specs: &[String], now: Timestamp) -> Result<Rules, Failure> {
    let mut requirements = Vec::new();
    for spec in specs {
        let requirement =
            Requirement::parse(spec).map_err(|error| Failure::usage(error.to_string()))?;
        requirements.push(requirement);
    }
    let before = match &arguments.older_than {
        Some(age) => Some(before(age, now)?),
        None => None,
    };
    let rules = Rules {
        requirements,
        projects: arguments.regex.clone(),
        versions: arguments.version_filter.clone(),
        is_dev_only: arguments.dev,
        before,
        keep_last: arguments.keep_last,
    };
    if rules.is_everything() {
        return Err(Failure::usage(
            "that would be everything: name projects, or say which versions (see --help); a whole index is \
             deleted by `devpi index --delete`",
        ));
    }
    Ok(rules)
}

/// The moment that was so long ago.
fn before(age: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let age = age.trim();
    let odd = || {
        Failure::usage(format!(
            "`{age}` is no age: say `90d`, `12 weeks` or `1 year`"
        ))
    };
    // A number alone would be a time, and a sign would turn it into the future.
    if !age.starts_with(|c: char| c.is_ascii_digit()) || age.parse::<i64>().is_ok() {
        return Err(odd());
    }
    let second = duration::second(&format!("-{age}"), now.as_second()).map_err(|_| odd())?;
    Timestamp::from_second(second).map_err(|_| odd())
}

/// Asks the person, if there is one.
fn asks(session: &mut Session, arguments: &CleanArgs, count: usize) -> Result<bool, Failure> {
    if arguments.dry_run || !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    session
        .output
        .confirm(&format!("Remove {count} releases"), false)
}

async fn remove(
    session: &mut Session,
    server: &Server,
    findings: &mut Findings,
    arguments: &CleanArgs,
) {
    let force = arguments.force;
    for index in &mut findings.indexes {
        if !index.is_volatile && !force {
            continue;
        }
        let url = &index.url;
        let total = index.doomed.len();
        let mut removed = stream::iter(index.doomed.iter().enumerate())
            .map(async |(number, doomed)| {
                let version = &doomed.release.version;
                let result = server
                    .remove_release(url, &doomed.project, version, force)
                    .await;
                (number, result)
            })
            .buffer_unordered(arguments.jobs.get());
        let mut fates = Vec::with_capacity(total);
        while let Some((number, result)) = removed.next().await {
            let fate = match result {
                // Somebody else was faster.
                Ok(()) | Err(Error::Refused { status: 404, .. }) => Fate::Removed,
                Err(error) => Fate::Failed(error.chain()),
            };
            fates.push((number, fate));
            let text = format!(
                "{}: {} of {total} releases removed",
                index.name,
                fates.len()
            );
            session.output.passing(&text);
        }
        drop(removed);
        for (number, fate) in fates {
            index.doomed[number].fate = fate;
        }
        session.output.passing("");
    }
}

fn not_tried(failure: Failure) -> Failure {
    Failure { code: 2, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_times_ago() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        for (age, moment) in [
            ("90d", "2025-12-31T12:00:00Z"),
            (" 2 weeks ", "2026-03-17T12:00:00Z"),
            ("1h", "2026-03-31T11:00:00Z"),
            ("0d", "2026-03-31T12:00:00Z"),
        ] {
            let moment: Timestamp = moment.parse().unwrap();
            assert_eq!(before(age, now).unwrap(), moment, "{age}");
        }
        for age in ["", "90", "d", "-90d", "soon", "5 parsecs", "99999999 years"] {
            let failure = before(age, now).unwrap_err();
            assert_eq!(failure.code, 2, "{age}");
        }
    }
}
