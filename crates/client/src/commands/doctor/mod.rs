//! `cheeseshop doctor`: what is wrong between this machine and a server, and what to do about it.
//!
//! Each check gives findings and changes nothing. A finding says `ok`, `warn` (it works, but look at
//! it) or `fix` (something does not work or is not safe); for the last two it says what to do.

mod local;
mod proxy;
mod server;
mod tools;

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use url::Url;

use crate::commands::get_json::indented;
use crate::commands::session::is_url;
use crate::commands::{Connection, Failure, Session, Style};

/// No longer are servers asked, all that there is to ask together.
const PATIENCE: Duration = Duration::from_mins(1);

/// Arguments of `cheeseshop doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Server or index to look at [default: $DEVPI_INDEX, else the one in use].
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warn,
    Fix,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fix => "fix",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::Green,
            Self::Warn => Style::Yellow,
            Self::Fix => Style::Red,
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    check: &'static str,
    text: String,
    /// What to do.
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            check,
            text: text.into(),
            advice: None,
        }
    }

    fn warn(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            advice: Some(advice.into()),
            ..Self::ok(check, text)
        }
    }

    fn fix(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level: Level::Fix,
            advice: Some(advice.into()),
            ..Self::ok(check, text)
        }
    }

    fn document(&self) -> Value {
        json!({
            "level": self.level.name(),
            "check": self.check,
            "text": self.text,
            "advice": self.advice,
        })
    }

    fn lines(&self) -> String {
        let mut text = format!("{:<4}  {}: {}", self.level.name(), self.check, self.text);
        if let Some(advice) = &self.advice {
            text.push_str("\n      what to do: ");
            text.push_str(advice);
        }
        text
    }
}

pub(super) async fn run(session: &mut Session, arguments: &DoctorArgs) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let connection = match Connection::read(session.directory(), session.trust()) {
        Ok(connection) => Some(connection),
        Err(error) => {
            findings.push(Finding::fix(
                "state",
                error.chain(),
                "repair or remove the file, then `devpi use` and `devpi login` again",
            ));
            None
        }
    };
    local::trust(session, &mut findings);
    let target = target(session, arguments, connection.as_ref())?;
    match &target {
        None => findings.push(Finding::warn(
            "server",
            "none is in use",
            "`devpi use URL`, or name one to look at: `cheeseshop doctor URL`",
        )),
        Some(target) => {
            proxy::check(&session.environment, target, &mut findings);
            let asked = server::check(session, connection.as_ref(), target, &mut findings);
            let too_slow = within(PATIENCE, asked).await;
            findings.extend(too_slow);
        }
    }
    tools::check(&session.environment, target.as_ref(), &mut findings);
    local::permissions(session, &mut findings);
    local::space(&session.environment, &mut findings);
    tell(session, arguments, &findings);
    if findings.iter().any(|finding| finding.level == Level::Fix) {
        return Err(Failure::told());
    }
    Ok(())
}

/// Ends checks that take too long, and says so.
async fn within(patience: Duration, checks: impl Future<Output = ()>) -> Option<Finding> {
    tokio::time::timeout(patience, checks).await.err().map(|_| {
        Finding::fix(
            "server",
            format!(
                "its answers took longer than {} s together; the rest was not asked",
                patience.as_secs()
            ),
            "look at the network and at what the server is busy with, then try again",
        )
    })
}

/// The server or index to look at.
fn target(
    session: &Session,
    arguments: &DoctorArgs,
    connection: Option<&Connection>,
) -> Result<Option<Url>, Failure> {
    let named = arguments.url.as_deref().map(|url| ("URL", url));
    let named = named.or_else(|| Some(("DEVPI_INDEX", session.environment.get("DEVPI_INDEX")?)));
    let root = connection.and_then(Connection::root);
    let Some((name, value)) = named else {
        return Ok(connection
            .and_then(|connection| connection.current.index_url())
            .or(root));
    };
    let wrong = || {
        let shown = crate::tool_config::without_password(value);
        Failure::usage(format!("{name} is no URL of a server or an index: {shown}"))
    };
    let url: Url = if is_url(value) {
        value.parse().map_err(|_| wrong())?
    } else {
        let root = root.ok_or_else(wrong)?;
        root.join(&format!("./{}/", value.trim_matches('/')))
            .map_err(|_| wrong())?
    };
    Ok(Some(url))
}

fn tell(session: &mut Session, arguments: &DoctorArgs, findings: &[Finding]) {
    let worst = findings.iter().map(|finding| finding.level).max();
    if arguments.json {
        let document = json!({
            "ok": worst < Some(Level::Fix),
            "findings": findings.iter().map(Finding::document).collect::<Vec<_>>(),
        });
        session.output.json(&indented(&document));
        return;
    }
    for finding in findings {
        session
            .output
            .styled(finding.level.style(), &finding.lines());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn checks_that_take_too_long_are_given_up_and_told() {
        let endless = std::future::pending();
        let told = within(Duration::ZERO, endless).await.unwrap();
        assert_eq!((told.level, told.check), (Level::Fix, "server"));
        assert!(told.text.contains("longer than 0 s"), "{}", told.text);
        assert_eq!(within(PATIENCE, async {}).await, None);
    }
}
