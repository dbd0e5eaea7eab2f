//! The programs of devpi-server's package, each a name of this binary.

use std::ffi::OsStr;
use std::path::Path;

/// A program that devpi-server's package installs and whose name this binary answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Runs the server.
    Server,
    /// Makes a server directory.
    Init,
    /// Sets a password.
    Passwd,
    /// Writes everything in the form that devpi-server imports.
    Export,
    /// Makes a server directory out of what another server holds.
    Import,
    /// Writes configuration files of other programs.
    GenConfig,
    /// Writes a secret file.
    GenSecret,
    /// Looks whether all files are there and whole.
    Fsck,
    /// Forgets the search index.
    ClearSearchIndex,
}

/// What a program takes beside options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Positional {
    /// As it is shown in the help.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) is_required: bool,
}

impl Program {
    /// Every one of them.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Server,
        Self::Init,
        Self::Passwd,
        Self::Export,
        Self::Import,
        Self::GenConfig,
        Self::GenSecret,
        Self::Fsck,
        Self::ClearSearchIndex,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "devpi-server",
            Self::Init => "devpi-init",
            Self::Passwd => "devpi-passwd",
            Self::Export => "devpi-export",
            Self::Import => "devpi-import",
            Self::GenConfig => "devpi-gen-config",
            Self::GenSecret => "devpi-gen-secret",
            Self::Fsck => "devpi-fsck",
            Self::ClearSearchIndex => "devpi-clear-search-index",
        }
    }

    /// The program that this process was started as, by the first word of its command line.
    pub(crate) fn started_as(word: &OsStr) -> Option<Self> {
        let name = Path::new(word).file_name()?.to_str()?;
        Self::ALL
            .iter()
            .copied()
            .find(|program| program.name() == name)
    }

    /// What it is for, in the help.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Server => {
                "Runs the server on a directory that devpi-init has made.\n\n\
                 This is Cheeseshop: `cheeseshop serve` with devpi-server's options and defaults."
            }
            Self::Init => {
                "Makes a server directory: the user root, with the empty password unless told \
                 otherwise, and the mirror root/pypi."
            }
            Self::Passwd => "Sets a user's password, asking for it. Works beside a running server.",
            Self::Export => {
                "Writes everything into a directory, in the form that devpi-server imports. \
                 Works beside a running server."
            }
            Self::Import => {
                "Makes a server directory out of what another server holds: the directory of its \
                 export, or that of a devpi-server that was stopped."
            }
            Self::GenConfig => {
                "Writes configuration files for web servers and process managers into \
                 gen-config/. Takes the options that the server is to be started with."
            }
            Self::GenSecret => "Writes a new secret into a file, or checks the one that is there.",
            Self::Fsck => {
                "Looks whether the bytes of all files are there and whole. \
                 Works beside a running server."
            }
            Self::ClearSearchIndex => "Forgets the search index, which then is made anew.",
        }
    }

    /// What it takes beside options.
    pub(super) fn positional(self) -> Option<Positional> {
        match self {
            Self::Passwd => Some(Positional {
                name: "user",
                help: "The user; asked for when it is left out",
                is_required: false,
            }),
            Self::Export => Some(Positional {
                name: "directory",
                help: "Where to write; it must not exist, or be empty",
                is_required: true,
            }),
            Self::Import => Some(Positional {
                name: "directory",
                help: "What to take in",
                is_required: true,
            }),
            Self::Server
            | Self::Init
            | Self::GenConfig
            | Self::GenSecret
            | Self::Fsck
            | Self::ClearSearchIndex => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_counts_wherever_the_link_lies() {
        for (word, expected) in [
            ("devpi-server", Some(Program::Server)),
            ("/opt/bin/devpi-gen-config", Some(Program::GenConfig)),
            ("./devpi-fsck", Some(Program::Fsck)),
            ("cheeseshop", None),
            ("devpi", None),
            ("devpi-server-2", None),
            ("", None),
        ] {
            assert_eq!(Program::started_as(OsStr::new(word)), expected, "{word}");
        }
    }
}
