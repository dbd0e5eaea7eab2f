//! Whether the user of the service may read what the settings name.
//!
//! Root may read everything, so that root's `config check` would find nothing wrong with a key that the server cannot open.
//! As whom the server runs is told by the owner of the data directory; what that user may do, by owners and modes
//! ([`path`]). Where something else decides, such as an access control list, nothing is said.

mod path;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cheeseshop_storage::BlobConfig;

use self::path::{Obstacle, Reason, Wanted};
use crate::commands::gen_config::shell_word;
use crate::config::Config;
use crate::failure::Failure;
use crate::{output, theme};

/// Where the settings of a service are.
const SETTINGS_FOLDER: &str = "/etc/cheeseshop";

/// Where people live: nobody opens such a directory for a service, and units hide them from theirs.
const HOMES: &[&str] = &["/root", "/home"];

/// A user, as far as this machine's files know it.
#[derive(Debug, Default, PartialEq, Eq)]
struct User {
    number: u32,
    /// Its number where it has no name.
    name: String,
    groups: BTreeSet<u32>,
    /// The one that the data directory has, as [`User::name`].
    own_group: String,
}

/// A file or directory that a server has to read.
#[derive(Debug)]
struct Place {
    /// What names it.
    key: String,
    path: PathBuf,
    is_secret: bool,
}

/// As root: says which of the files that the settings name the server may not read.
///
/// # Errors
/// All of them, with what mends it.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Ok(owner) = config.data_dir.metadata() else {
        return Ok(());
    };
    if owner.uid() == 0 {
        return Ok(());
    }
    let accounts = Accounts::of_this_machine();
    let user = accounts.user((owner.uid(), owner.gid()));
    let mut refused = Vec::new();
    let mut seen = BTreeSet::new();
    for place in places(config) {
        let Some(obstacle) = path::first_obstacle(&place.path, &user) else {
            continue;
        };
        // One directory may be in the way of many files.
        if !seen.insert(obstacle.path.clone()) {
            continue;
        }
        let line = line(&place, &obstacle, &user, &accounts);
        if matches!(obstacle.reason, Reason::OtherGroup) {
            output::talk(&format!("warning: {line}"));
        } else {
            refused.push(format!("\n  {line}"));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the server runs as the user `{}`, to whom {} belongs, and may not read what the settings name:{}",
        user.name,
        config.data_dir.display(),
        refused.concat()
    );
    Err(Failure::answer_is_no(text).with_hint("each line ends with what mends it"))
}

/// What the files of a machine say of users and groups. Others, of a directory service, are numbers here.
struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    fn of_this_machine() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        Self {
            passwd: read("/etc/passwd"),
            group: read("/etc/group"),
        }
    }

    /// The owner of a data directory.
    fn user(&self, (number, own_group): (u32, u32)) -> User {
        let entry = entry_of(&self.passwd, number);
        let primary: Option<u32> = entry.as_ref().and_then(|entry| entry.get(3)?.parse().ok());
        // A directory that is of root's group tells nothing of one who has another; in containers it does.
        let own_group = match primary {
            Some(primary) if own_group == 0 => primary,
            _ => own_group,
        };
        let name = name_in(&self.passwd, number);
        let is_member = |entry: &Vec<&str>| {
            let members = entry.get(3).map(|members| members.split(','));
            members.is_some_and(|mut members| members.any(|member| member == name))
        };
        let member_of = entries(&self.group).filter(is_member);
        let groups = member_of.filter_map(|entry| entry[2].parse().ok());
        let groups = groups.chain(primary).chain([own_group]).collect();
        User {
            number,
            groups,
            own_group: self.group_name(own_group),
            name,
        }
    }

    fn group_name(&self, number: u32) -> String {
        name_in(&self.group, number)
    }
}

fn name_in(text: &str, number: u32) -> String {
    let entry = entry_of(text, number);
    entry.map_or_else(|| number.to_string(), |entry| entry[0].to_owned())
}

fn entry_of(text: &str, number: u32) -> Option<Vec<&str>> {
    entries(text).find(|entry| entry[2].parse() == Ok(number))
}

/// The lines of `/etc/passwd` and its kin, in their parts.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.filter(|entry| entry.len() > 2)
}

/// What the server reads, as far as it is certain that it is the same there: a path from the root, and of settings files
/// those of the service.
fn places(config: &Config) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |key: &str, path: &Path, is_secret: bool| {
        if path.is_absolute() {
            places.push(Place {
                key: key.to_owned(),
                path: path.to_owned(),
                is_secret,
            });
        }
    };
    let fragments = Path::new(SETTINGS_FOLDER).join("conf.d");
    for file in &config.files {
        let folder = file.parent();
        let is_main = *file == Path::new(SETTINGS_FOLDER).join("cheeseshop.toml");
        if is_main || folder == Some(&fragments) {
            add("the settings", file, true);
        }
        if folder == Some(&fragments) {
            add("the settings", &fragments, true);
        }
    }
    for (key, path) in config.resolved.secret_files() {
        add(key, path, true);
    }
    let first_password = "auth.root_password_file";
    let is_first_start = config
        .embedded_database()
        .is_some_and(|database| !database.exists());
    if is_first_start && let Ok(Some(file)) = config.late_path(first_password) {
        add(first_password, &file, true);
    }
    let tls = &config.tls;
    let holds_key = tls.key.is_empty();
    for certificate in &tls.certificate {
        add("tls.certificate", certificate, holds_key);
    }
    for key in &tls.key {
        add("tls.key", key, true);
    }
    let store = match &config.blobs {
        BlobConfig::S3(store) => store.ca_file.as_ref(),
        BlobConfig::Local { .. } => None,
    };
    for (key, file) in [
        ("tls.client_ca", tls.client_ca.as_ref()),
        ("tls.client_revoked", tls.client_revoked.as_ref()),
        ("blobs.ca_file", store),
        ("mirror.ca_bundle", config.app.mirror.ca_bundle.as_ref()),
    ] {
        if let Some(file) = file {
            add(key, file, false);
        }
    }
    for file in theme::places(&config.web) {
        add("web.theme", &file, false);
    }
    places
}

/// One sentence about what is in the way, and what mends it.
fn line(place: &Place, obstacle: &Obstacle, user: &User, accounts: &Accounts) -> String {
    let word = shell_word(&obstacle.path.display().to_string());
    let (what, bits) = match obstacle.wanted {
        Wanted::Enter => ("cannot be entered", "x"),
        Wanted::List => ("cannot be listed", "rx"),
        Wanted::Read => ("cannot be read", "r"),
    };
    let way = if obstacle.path == place.path {
        String::new()
    } else {
        format!("{}: ", place.path.display())
    };
    let (owner, group) = (
        name_in(&accounts.passwd, obstacle.owner.0),
        accounts.group_name(obstacle.owner.1),
    );
    let name = &user.name;
    let mend = match obstacle.reason {
        _ if HOMES.iter().any(|home| obstacle.path.starts_with(home)) => {
            format!("put it elsewhere, below {SETTINGS_FOLDER} for example")
        }
        Reason::Owner => format!("chmod u+{bits} {word}"),
        Reason::Group => format!("chmod g+{bits} {word}"),
        Reason::Others if !place.is_secret => format!("chmod o+{bits} {word}"),
        Reason::Others if obstacle.owner.1 == 0 => {
            format!("chgrp {} {word} && chmod g+{bits} {word}", user.own_group)
        }
        // A group of others keeps what it has.
        Reason::Others => format!("setfacl --modify user:{name}:{bits} {word}"),
        Reason::OtherGroup => format!(
            "unless the unit says SupplementaryGroups={group}: usermod --append --groups {group} {name}"
        ),
    };
    format!(
        "{}: {way}{} {what} by `{name}` (mode {:04o} of {owner}:{group}): {mend}",
        place.key,
        obstacle.path.display(),
        obstacle.mode & 0o7777,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd:
                "root:x:0:0:root:/root:/bin/sh\n+::::::\nshop:x:997:990::/var/lib/shop:/bin/sh\n"
                    .to_owned(),
            group: "root:x:0:\nshop:x:990:\nssl-cert:x:110:www-data,shop\nshopper:x:111:shopper\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_user_has_the_groups_that_the_files_and_the_directory_give() {
        let user = accounts().user((997, 33));
        assert_eq!(user.name, "shop");
        assert_eq!(user.own_group, "33");
        assert_eq!(user.groups, BTreeSet::from([33, 110, 990]));
        let user = accounts().user((997, 0));
        assert_eq!(user.own_group, "shop");
        assert_eq!(user.groups, BTreeSet::from([110, 990]));
        // In a container nobody has a name.
        let user = accounts().user((31_415, 0));
        assert_eq!((&*user.name, &*user.own_group), ("31415", "root"));
        assert_eq!(user.groups, BTreeSet::from([0]));
    }

    #[test]
    fn what_mends_it_gives_no_more_than_is_needed() {
        let user = accounts().user((997, 990));
        for (path, wanted, reason, group, is_secret, expected) in [
            (
                "/k",
                Wanted::Read,
                Reason::Others,
                0,
                true,
                "chgrp shop /k && chmod g+r /k",
            ),
            (
                "/k",
                Wanted::Read,
                Reason::Others,
                110,
                true,
                "setfacl --modify user:shop:r /k",
            ),
            (
                "/c",
                Wanted::Read,
                Reason::Others,
                110,
                false,
                "chmod o+r /c",
            ),
            (
                "/my c",
                Wanted::List,
                Reason::Others,
                0,
                false,
                "chmod o+rx '/my c'",
            ),
            (
                "/k",
                Wanted::Enter,
                Reason::Group,
                990,
                true,
                "chmod g+x /k",
            ),
            ("/k", Wanted::Read, Reason::Owner, 0, true, "chmod u+r /k"),
            (
                "/k",
                Wanted::Read,
                Reason::OtherGroup,
                110,
                true,
                "usermod --append --groups ssl-cert shop",
            ),
            (
                "/root",
                Wanted::Enter,
                Reason::Others,
                0,
                false,
                "put it elsewhere, below /etc/cheeseshop for example",
            ),
        ] {
            let place = Place {
                key: "tls.key".to_owned(),
                path: PathBuf::from("/k"),
                is_secret,
            };
            let obstacle = Obstacle {
                path: PathBuf::from(path),
                wanted,
                reason,
                mode: 0o100_640,
                owner: (0, group),
            };
            let line = line(&place, &obstacle, &user, &accounts());
            assert!(line.starts_with("tls.key: /"), "{line}");
            assert!(line.contains(&format!("{path} cannot be ")), "{line}");
            assert!(line.contains(" by `shop` (mode 0640 of root:"), "{line}");
            assert!(line.ends_with(&format!(": {expected}")), "{line}");
        }
    }
}
