//! `devpi-passwd`: sets a password, asking for it as devpi's program does.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use secrecy::{ExposeSecret as _, SecretString};

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::commands::passwd::{self, LONGEST_PASSWORD_BYTES, TRIES};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// Sets the password of a user. Works beside a running server.
pub(super) async fn run(options: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_hold_data(&config)?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    let result = ask_and_set(options, &node).await;
    node.close().await;
    result
}

async fn ask_and_set(options: &Options, node: &Node) -> Result<(), Stop> {
    let mut input = Input::new();
    let user = match &options.positional {
        Some(user) => user.clone(),
        None => input.user()?,
    };
    if user.is_empty() {
        return Err(Stop::fatal("No user name provided."));
    }
    if node.app.directory().user(&user).is_none() {
        return Err(Stop::fatal(format!("user '{user}' not found")));
    }
    let password = input.password(&user)?;
    Ok(passwd::set(node, &user, &password).await?)
}

/// A terminal, or whatever is on standard input.
struct Input {
    /// `None` on a terminal.
    lines: Option<std::io::Take<std::io::StdinLock<'static>>>,
}

impl Input {
    fn new() -> Self {
        let stdin = std::io::stdin();
        let lines = (!stdin.is_terminal()).then(|| stdin.lock().take(3 * LONGEST_PASSWORD_BYTES));
        Self { lines }
    }

    /// A line without its end; `None` when there is no more.
    fn line(&mut self) -> Result<Option<String>, Stop> {
        let mut line = String::new();
        let read = match &mut self.lines {
            Some(lines) => lines.read_line(&mut line),
            None => std::io::stdin().lock().read_line(&mut line),
        };
        let length = read.map_err(|error| cannot_read(&error))?;
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        Ok((length > 0).then_some(line))
    }

    fn user(&mut self) -> Result<String, Stop> {
        let mut stdout = std::io::stdout();
        // Whoever does not see the question may answer it all the same.
        let _ = stdout.write_all(b"User to set password for: ");
        let _ = stdout.flush();
        Ok(self.line()?.unwrap_or_default())
    }

    /// Asks twice, three times at most; without a terminal the first line counts, and the second
    /// one, if there is one, has to be the same.
    fn password(&mut self, user: &str) -> Result<SecretString, Stop> {
        if self.lines.is_some() {
            let first = self
                .line()?
                .ok_or_else(|| Stop::fatal("no password set: standard input is empty"))?;
            return match self.line()? {
                Some(second) if second != first => Err(Stop::fatal("password don't match")),
                _ => Ok(SecretString::from(first)),
            };
        }
        let prompt = |text: &str| {
            rpassword::prompt_password(text)
                .map(SecretString::from)
                .map_err(|error| cannot_read(&error))
        };
        for _ in 0..TRIES {
            let first = prompt(&format!("enter password for {user}: "))?;
            let second = prompt(&format!("repeat password for {user}: "))?;
            if first.expose_secret() == second.expose_secret() {
                return Ok(first);
            }
            output::talk("password don't match");
        }
        Err(Stop::fatal("no password set"))
    }
}

fn cannot_read(error: &std::io::Error) -> Stop {
    Failure::caused_by("the password cannot be read", error).into()
}
