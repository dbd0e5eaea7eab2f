//! `devpi token-create` and its companions, as the devpi-tokens plugin has them.

pub(super) mod duration;
mod held;
mod made;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::held::{DeriveArgs, InspectArgs, LoginArgs};
use self::made::{CreateArgs, DeleteArgs, ListArgs};
use crate::TokenLimits;
use crate::commands::output::printable;
use crate::commands::upload::now;
use crate::commands::{Failure, GenericArgs, Session, With, in_session};

/// The commands of the devpi-tokens plugin.
#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "they are the commands' names")]
pub enum TokenCommand {
    /// Create a token for a user.
    TokenCreate(With<CreateArgs>),
    /// Delete tokens of a user; tokens that were derived from them end too.
    TokenDelete(With<DeleteArgs>),
    /// Derive a narrower token from an existing one, without asking the server.
    ///
    /// Every restriction is added to those that are there, and none can be taken away.
    TokenDerive(With<DeriveArgs>),
    /// Show what a token says.
    TokenInspect(With<InspectArgs>),
    /// List the tokens of a user.
    TokenList(With<ListArgs>),
    /// Log in with a token.
    TokenLogin(With<LoginArgs>),
}

/// Names of permissions that devpi-server has; `user_*` are of no use in a token.
const PERMISSIONS: [&str; 13] = [
    "del_entry",
    "del_project",
    "del_verdata",
    "index_create",
    "index_delete",
    "index_modify",
    "pkg_read",
    "toxresult_upload",
    "upload",
    "user_create",
    "user_delete",
    "user_login",
    "user_modify",
];

/// Options that limit a token.
#[derive(Args, Debug)]
struct LimitArgs {
    /// Only these permissions, separated by commas: `del_entry`, `del_project`, `del_verdata`,
    /// `index_create`, `index_delete`, `index_modify`, `pkg_read`, `toxresult_upload`, `upload`. May
    /// be repeated.
    #[arg(short, long)]
    allowed: Option<Vec<String>>,

    /// Only these indexes, separated by commas. May be repeated.
    #[arg(short, long)]
    indexes: Option<Vec<String>>,

    /// Only these projects, separated by commas. May be repeated.
    #[arg(short, long)]
    projects: Option<Vec<String>>,
}

impl LimitArgs {
    fn limits(&self, session: &mut Session, expires: Option<&str>) -> Result<TokenLimits, Failure> {
        let allowed = items(self.allowed.as_deref()).map(|mut items| {
            items.dedup();
            items
        });
        let unknown: Vec<_> = allowed
            .iter()
            .flatten()
            .map(String::as_str)
            .filter(|name| !PERMISSIONS.contains(name))
            .collect();
        if !unknown.is_empty() {
            let question = format!(
                "The following permissions are not known: {}\nAre you sure you want to use them?",
                unknown.join(", ")
            );
            confirm(session, &question)?;
        }
        let expires = match expires.map(str::trim) {
            None => None,
            Some("never") => Some("never".to_owned()),
            Some(text) => Some(
                duration::second(text, now())
                    .map_err(|reason| {
                        Failure::fatal(format!("Can't parse expires '{text}': {reason}"))
                    })?
                    .to_string(),
            ),
        };
        Ok(TokenLimits {
            allowed,
            expires,
            indexes: items(self.indexes.as_deref()),
            projects: items(self.projects.as_deref()),
        })
    }
}

/// The items of comma separated lists, sorted.
fn items(lists: Option<&[String]>) -> Option<Vec<String>> {
    let mut items: Vec<_> = lists?
        .iter()
        .flat_map(|list| list.split(','))
        .map(|item| item.trim().to_owned())
        .collect();
    items.sort();
    Some(items)
}

fn confirm(session: &mut Session, question: &str) -> Result<(), Failure> {
    if session.output.confirm(question, session.options.yes)? {
        Ok(())
    } else {
        Err(Failure::fatal("Aborted"))
    }
}

/// Where a token goes.
#[derive(Args, Debug)]
struct OutputArgs {
    /// File to write the token to, readable by its owner only [default: standard output].
    #[arg(short, long)]
    output: Option<String>,
}

impl OutputArgs {
    fn write(&self, session: &mut Session, token: &str) -> Result<(), Failure> {
        let Some(name) = &self.output else {
            session.output.data(&printable(token));
            return Ok(());
        };
        let path = session.environment.expand(name);
        if path.exists() {
            let question =
                format!("There already exists a file at '{name}'.\nDo you want to overwrite it?");
            confirm(session, &question)?;
        }
        write_private(&path, token).map_err(|error| Failure::fatal(format!("{name}: {error}")))
    }
}

fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // The mode above is for new files only.
    if file.metadata()?.is_file() {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}

pub(super) fn run(command: TokenCommand, before: &GenericArgs) -> ExitCode {
    macro_rules! run {
        ($function:path, $with:expr) => {{
            let With { own, generic } = $with;
            in_session(&generic.or(before), false, async |session| {
                $function(session, &own).await
            })
        }};
    }
    match command {
        TokenCommand::TokenCreate(with) => run!(made::create, with),
        TokenCommand::TokenDelete(with) => run!(made::delete, with),
        TokenCommand::TokenDerive(with) => run!(held::derive, with),
        TokenCommand::TokenInspect(with) => run!(held::inspect, with),
        TokenCommand::TokenList(with) => run!(made::list, with),
        TokenCommand::TokenLogin(with) => run!(held::login, with),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_be_repeated_and_separated_by_commas() {
        let lists = ["b, a".to_owned(), "c".to_owned()];
        assert_eq!(items(Some(&lists)).unwrap(), ["a", "b", "c"]);
        assert_eq!(items(None), None);
    }

    #[test]
    fn a_token_in_a_file_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "a longer text than the token").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "devpi-x").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "devpi-x");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
