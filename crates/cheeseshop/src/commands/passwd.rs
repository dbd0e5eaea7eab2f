//! `cheeseshop passwd USER`: for an operator who is locked out.
//!
//! Works beside a running server, which notices within a second.

use std::io::{BufRead, IsTerminal as _};

use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::{PasswdArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

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
                match node.kept_root_password().forget(&node.app).await {
                    Ok(None) => {}
                    Ok(Some(file)) => output::talk(&format!(
                        "removed {}, the password in it has ended",
                        file.display()
                    )),
                    Err(trouble) => output::talk(&format!("warning: {trouble}")),
                }
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

/// Reads no further than the first line: whoever writes may keep the other end open.
fn first_line(input: impl BufRead) -> Result<SecretString, Failure> {
    let mut text = String::new();
    input
        .take(LONGEST_PASSWORD_BYTES)
        .read_line(&mut text)
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
    use std::io::Read as _;

    use super::*;

    /// Somebody who has nothing more to say, and stays.
    struct Silent;

    impl std::io::Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("nobody is to wait for more");
        }
    }

    #[test]
    fn the_first_line_is_the_password() {
        let open = std::io::BufReader::new((&b"geheim\n"[..]).chain(Silent));
        assert_eq!(first_line(open).unwrap().expose_secret(), "geheim");
        let password = first_line(&b"geheim \r\nmore\n"[..]).unwrap();
        assert_eq!(password.expose_secret(), "geheim ");
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&b"\nx\n"[..]).is_err());
    }
}
