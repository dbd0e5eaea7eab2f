//! Access lists: who may do one thing with one index.

use std::{fmt, sync::Arc};

use crate::{Caller, UserName};

/// Whom an entry of an access list means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Everybody, spelled `:ANONYMOUS:`.
    Everyone,
    /// Everybody who said who they are, spelled `:AUTHENTICATED:`.
    Authenticated,
    /// One user. Free text: a directory service may know users that we have not met.
    User(Arc<str>),
    /// The members of a group, spelled `:group`.
    Group(Arc<str>),
}

impl Principal {
    /// Reads one entry. The two special names are recognised in any case, all others as written.
    /// Blanks at the ends do not count. `None` for an empty text or a nameless group.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(":ANONYMOUS:") {
            return Some(Self::Everyone);
        }
        if text.eq_ignore_ascii_case(":AUTHENTICATED:") {
            return Some(Self::Authenticated);
        }
        match text.strip_prefix(':') {
            Some("") => None,
            Some(group) => Some(Self::Group(group.into())),
            None if text.is_empty() => None,
            None => Some(Self::User(text.into())),
        }
    }

    /// Whether the caller is meant.
    pub fn admits(&self, caller: &Caller) -> bool {
        match (self, &caller.identity) {
            (Self::Everyone, _) | (Self::Authenticated, Some(_)) => true,
            (_, None) => false,
            (Self::User(name), Some(identity)) => identity.user == **name,
            (Self::Group(name), Some(identity)) => {
                identity.groups.iter().any(|group| **group == **name)
            }
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str(":ANONYMOUS:"),
            Self::Authenticated => f.write_str(":AUTHENTICATED:"),
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, ":{name}"),
        }
    }
}

/// A list of principals, in the order in which it was written. An empty one admits nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acl(Vec<Principal>);

impl Acl {
    /// A list of these entries.
    pub fn new(principals: Vec<Principal>) -> Self {
        Self(principals)
    }

    /// The list that admits everybody: `[":ANONYMOUS:"]`.
    pub fn everyone() -> Self {
        Self(vec![Principal::Everyone])
    }

    /// The list that admits one user.
    pub fn only(user: &UserName) -> Self {
        Self(vec![Principal::User(user.as_str().into())])
    }

    /// Whether any entry means the caller.
    pub fn admits(&self, caller: &Caller) -> bool {
        self.0.iter().any(|principal| principal.admits(caller))
    }

    /// Whether callers who did not say who they are get in, and so everybody.
    pub fn is_public(&self) -> bool {
        self.0.contains(&Principal::Everyone)
    }

    /// The entries.
    pub fn principals(&self) -> &[Principal] {
        &self.0
    }

    /// The entries as devpi spells them.
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[&str]) -> Acl {
        Acl::new(
            entries
                .iter()
                .map(|entry| Principal::parse(entry).unwrap())
                .collect(),
        )
    }

    #[test]
    fn special_names_are_upper_cased_and_others_kept() {
        for (written, shown) in [
            (":anonymous:", ":ANONYMOUS:"),
            (":Anonymous:", ":ANONYMOUS:"),
            (":authenticated:", ":AUTHENTICATED:"),
            ("Bob", "Bob"),
            (" bob ", "bob"),
            (":Developers", ":Developers"),
            (":anonymous", ":anonymous"),
            ("anonymous", "anonymous"),
            (":Domain Users", ":Domain Users"),
        ] {
            assert_eq!(Principal::parse(written).unwrap().to_string(), shown);
        }
        for written in ["", " ", ":"] {
            assert_eq!(Principal::parse(written), None);
        }
    }

    #[test]
    fn entries_admit_whom_they_mean() {
        let anonymous = Caller::anonymous();
        let bob = Caller::user(UserName::parse("bob").unwrap());
        let dev = Caller::member(UserName::parse("eve").unwrap(), ["dev"]);
        let root = Caller::user(UserName::root());
        let cases: [(&[&str], [bool; 4]); 10] = [
            (&[], [false, false, false, false]),
            (&[":ANONYMOUS:"], [true, true, true, true]),
            (&[":AUTHENTICATED:"], [false, true, true, true]),
            (&["bob"], [false, true, false, false]),
            (&["Bob"], [false, false, false, false]),
            (&[":dev"], [false, false, true, false]),
            (&["dev"], [false, false, false, false]),
            (&[":bob"], [false, false, false, false]),
            (&["eve", ":ops"], [false, false, true, false]),
            (&["bob", ":anonymous:"], [true, true, true, true]),
        ];
        for (entries, expected) in cases {
            let list = acl(entries);
            let got = [&anonymous, &bob, &dev, &root].map(|caller| list.admits(caller));
            assert_eq!(got, expected, "{entries:?}");
            assert_eq!(list.is_public(), expected[0], "{entries:?}");
        }
    }
}
