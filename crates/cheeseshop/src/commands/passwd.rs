//! `cheeseshop passwd USER`: for an operator who is locked out.
//!
//! Works beside a running server, which notices within a second.

use std::io::{IsTerminal as _, Read as _};

use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::{PasswdArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output, root_password};

/// A line longer than this is no password.
pub(crate) const LONGEST_PASSWORD_BYTES: u64 = 4096;

/// How often two different passwords may be typed.
pub(crate) const TRIES: usize = 3;

/// Sets the password of a user.
pub(crate) async fn run(settings: &SettingArgs, arguments: &PasswdArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    if node.app.directory().user(&arguments.user).is_none() {
        return Err(
            Failure::answer_is_no(format!("user '{}' not found", arguments.user))
                .with_hint("names are listed by `devpi user -l`"),
        );
    }
    let password = read_password(&arguments.user)?;
    let result = set(&node, &arguments.user, &password).await;
    node.close().await;
    result
}

/// Sets the password of a user and says so.
pub(crate) async fn set(node: &Node, user: &str, password: &SecretString) -> Result<(), Failure> {
    match node.app.set_password(user, password).await {
        Ok(()) => {
            output::talk(&format!("the password of user '{user}' is set"));
            if user == "root" {
                root_password::forget(node.directory.path());
            }
            Ok(())
        }
        Err(cheeseshop_app::Error::Invalid(message) | cheeseshop_app::Error::NotFound(message)) => {
            Err(Failure::answer_is_no(message))
        }
        Err(error) => Err(Failure::caused_by("the password cannot be set", &error)),
    }
}

/// Asks twice on a terminal, reads the first line otherwise.
fn read_password(user: &str) -> Result<SecretString, Failure> {
    if std::io::stdin().is_terminal() {
        ask(user)
    } else {
        first_line(std::io::stdin().lock())
    }
}

fn ask(user: &str) -> Result<SecretString, Failure> {
    let prompt = |text: &str| {
        rpassword::prompt_password(text)
            .map(SecretString::from)
            .map_err(|error| Failure::caused_by("the password cannot be read", &error))
    };
    for _ in 0..TRIES {
        let first = prompt(&format!("new password for user '{user}': "))?;
        let second = prompt("repeat the password: ")?;
        if first.expose_secret() == second.expose_secret() {
            return Ok(first);
        }
        output::talk("the passwords differ");
    }
    Err(Failure::answer_is_no("no password was set"))
}

fn first_line(input: impl std::io::Read) -> Result<SecretString, Failure> {
    let mut text = String::new();
    input
        .take(LONGEST_PASSWORD_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::caused_by("the password cannot be read", &error))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::could_not_try("there is no password to read")
            .with_hint("run it on a terminal, or write the password to its standard input"));
    }
    Ok(SecretString::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        let password = first_line(&b"geheim \r\nmore\n"[..]).unwrap();
        assert_eq!(password.expose_secret(), "geheim ");
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&b"\nx\n"[..]).is_err());
    }
}
