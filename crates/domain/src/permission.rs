//! Who may do what.
//!
//! [`judge`] is the only place that decides; the rules are devpi's, the reading rule is ours. An index
//! that the caller may not read does not exist for them: the faces spell that, this module only says so.

use std::{fmt, net::IpAddr};

use crate::{Index, IndexName, Principal, UserName};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Who they proved to be; `None` for an anonymous caller.
    pub identity: Option<Identity>,
    /// Where they ask from, when it is known. No rule looks at it; the change log keeps it.
    pub address: Option<IpAddr>,
}

/// A proven identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserName,
    /// The groups they belong to, without the colon of access lists.
    pub groups: Vec<String>,
}

impl Caller {
    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user without groups.
    pub fn user(user: UserName) -> Self {
        Self::member(user, [] as [&str; 0])
    }

    /// A user and their groups.
    pub fn member<G: Into<String>>(user: UserName, groups: impl IntoIterator<Item = G>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self {
            identity: Some(Identity { user, groups }),
            address: None,
        }
    }

    /// The same caller, known to ask from this address.
    #[must_use]
    pub fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The user's name, when they said who they are.
    pub fn user_name(&self) -> Option<&UserName> {
        self.identity.as_ref().map(|identity| &identity.user)
    }

    /// Whether nobody knows who they are.
    pub fn is_anonymous(&self) -> bool {
        self.identity.is_none()
    }

    /// Whether they are the user who administers the server.
    pub fn is_root(&self) -> bool {
        self.user_name().is_some_and(UserName::is_root)
    }

    /// Whether they are this user.
    pub fn is(&self, user: &UserName) -> bool {
        self.user_name() == Some(user)
    }
}

/// What somebody wants to do, and to what.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// See the index: pages, lists, files, configuration.
    ReadIndex(&'a Index),
    /// Upload files and metadata, push to the index, yank.
    Upload(&'a Index),
    /// Add test results to files of the index.
    UploadTestResult(&'a Index),
    /// Remove projects, releases and files.
    RemoveFiles(&'a Index),
    /// Change the index's configuration.
    ModifyIndex(&'a Index),
    /// Remove the index with all that it holds.
    RemoveIndex(&'a Index),
    /// Make an index.
    CreateIndex(&'a IndexName),
    /// Make a user.
    CreateUser,
    /// Change a user's record.
    ModifyUser(&'a UserName),
    /// Change nothing but a user's password.
    ChangePassword(&'a UserName),
    /// Remove a user with all their indexes.
    RemoveUser(&'a UserName),
}

/// The rules that the operator chose for the whole server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionPolicy {
    /// devpi's `--restrict-modify`: when set, only these may make and change users and indexes. `root` has
    /// no part in it unless it is listed.
    pub restrict_modify: Option<Vec<Principal>>,
    /// Whether anybody, also without saying who they are, may make a user.
    pub self_registration: bool,
}

impl PermissionPolicy {
    /// Reads the value of `--restrict-modify`: users and `:group` items, separated by commas.
    pub fn parse_restrict_modify(spec: &str) -> Vec<Principal> {
        spec.split(',').filter_map(Principal::parse).collect()
    }
}

/// The answer to a request for permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// Stop, and say why.
    Denied(Reason),
}

impl Verdict {
    /// Whether the caller may go on.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// Turns the verdict into a result, for the question mark.
    pub fn into_result(self) -> Result<(), Reason> {
        match self {
            Self::Allowed => Ok(()),
            Self::Denied(reason) => Err(reason),
        }
    }
}

/// Why something was denied. `Display` is devpi's text for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The index is not for the caller's eyes; to them it must look absent.
    MayNotRead(IndexName),
    /// Not in `acl_upload`.
    MayNotUpload(IndexName),
    /// Not in `acl_toxresult_upload`.
    MayNotUploadTestResult(IndexName),
    /// Not one who may remove contents of the index.
    MayNotRemoveFiles(IndexName),
    /// Not one who may change the index.
    MayNotModifyIndex(IndexName),
    /// Not one who may remove the index.
    MayNotRemoveIndex(IndexName),
    /// Not one who may make this index.
    MayNotCreateIndex(IndexName),
    /// Not one who may make users.
    MayNotCreateUser {
        /// Whether the operator listed who may, which makes self-registration meaningless.
        restricted: bool,
    },
    /// Not one who may change this user.
    MayNotModifyUser(UserName),
    /// Not one who may set this user's password.
    MayNotChangePassword(UserName),
    /// Not one who may remove this user, or the user is `root`, whom nobody may remove.
    MayNotRemoveUser(UserName),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MayNotRead(index) => write!(f, "{}", IndexNotFound(index)),
            Self::MayNotUpload(_) => f.write_str("no permission to submit"),
            Self::MayNotUploadTestResult(_) => f.write_str(
                "No permission to upload tox results. \
                 You can use the devpi test --no-upload option to skip the upload.",
            ),
            Self::MayNotCreateIndex(index) => write!(f, "no permission to create index {index}"),
            Self::MayNotModifyUser(user) => write!(f, "no permission to modify user {user}"),
            Self::MayNotChangePassword(user) => {
                write!(f, "no permission to change password for user {user}")
            }
            Self::MayNotRemoveFiles(_)
            | Self::MayNotModifyIndex(_)
            | Self::MayNotRemoveIndex(_)
            | Self::MayNotRemoveUser(_) => f.write_str(ACCESS_DENIED),
            // devpi lets everybody in here, so its clients' users do not expect to be refused.
            Self::MayNotCreateUser { restricted: false } => write!(
                f,
                "{ACCESS_DENIED}Users are made by root, unless auth.self_registration is on."
            ),
            Self::MayNotCreateUser { restricted: true } => write!(
                f,
                "{ACCESS_DENIED}Users are made by those whom auth.restrict_modify lists."
            ),
        }
    }
}

impl std::error::Error for Reason {}

/// devpi's text where its framework, and not the view, refuses.
const ACCESS_DENIED: &str = "Access was denied to this resource.\n\n\n\
                             Unauthorized: PyPIView failed permission check\n\n";

/// devpi's text for an index that does not exist, or does not exist for the caller.
#[derive(Debug, Clone, Copy)]
pub struct IndexNotFound<'a>(pub &'a IndexName);

impl fmt::Display for IndexNotFound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The stage {} could not be found.", self.0)
    }
}

/// devpi's text for a push whose target the caller may not upload to, a mirror included.
#[derive(Debug, Clone, Copy)]
pub struct PushRefused<'a> {
    /// Who pushes.
    pub caller: &'a Caller,
    /// Where to.
    pub target: &'a IndexName,
}

impl fmt::Display for PushRefused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.caller.user_name() {
            Some(user) => write!(f, "user '{user}'")?,
            None => f.write_str("user None")?,
        }
        write!(f, " cannot upload to '{}'", self.target)
    }
}

/// Decides whether the caller may do it.
pub fn judge(policy: &PermissionPolicy, caller: &Caller, action: Action<'_>) -> Verdict {
    let allowed = match action {
        Action::ReadIndex(index) => may_read(caller, index),
        // Nobody has an implicit right to upload, neither root nor the owner.
        Action::Upload(index) => uploaders_include(index, caller),
        Action::UploadTestResult(index) => index
            .config
            .kind
            .acl_test_result_upload()
            .is_some_and(|acl| acl.admits(caller)),
        Action::RemoveFiles(index) => {
            uploaders_include(index, caller) || may_administer(policy, caller, &index.name.user)
        }
        Action::ModifyIndex(index) | Action::RemoveIndex(index) => {
            may_administer(policy, caller, &index.name.user)
        }
        Action::CreateIndex(name) => may_administer(policy, caller, &name.user),
        Action::CreateUser => match &policy.restrict_modify {
            Some(listed) => is_listed(listed, caller),
            None => policy.self_registration || caller.is_root(),
        },
        Action::ModifyUser(user) => may_administer(policy, caller, user),
        Action::ChangePassword(user) => caller.is(user) || may_administer(policy, caller, user),
        Action::RemoveUser(user) => {
            // With a list, those on it may remove everybody but themselves. Nobody removes root: a server
            // without it could not be administered any more.
            let is_own = policy.restrict_modify.is_some() && caller.is(user);
            !user.is_root() && !is_own && may_administer(policy, caller, user)
        }
    };
    if allowed {
        Verdict::Allowed
    } else {
        Verdict::Denied(reason(policy, action))
    }
}

/// Whether the caller may see the index: root, its owner, and whom `acl_read` admits.
pub fn may_read(caller: &Caller, index: &Index) -> bool {
    index.config.acl_read.admits(caller) || caller.is_root() || caller.is(&index.name.user)
}

fn uploaders_include(index: &Index, caller: &Caller) -> bool {
    index
        .config
        .kind
        .acl_upload()
        .is_some_and(|acl| acl.admits(caller))
}

/// Root and the owner, unless the operator listed who may.
fn may_administer(policy: &PermissionPolicy, caller: &Caller, owner: &UserName) -> bool {
    match &policy.restrict_modify {
        Some(listed) => is_listed(listed, caller),
        None => caller.is_root() || caller.is(owner),
    }
}

fn is_listed(listed: &[Principal], caller: &Caller) -> bool {
    listed.iter().any(|principal| principal.admits(caller))
}

fn reason(policy: &PermissionPolicy, action: Action<'_>) -> Reason {
    match action {
        Action::ReadIndex(index) => Reason::MayNotRead(index.name.clone()),
        Action::Upload(index) => Reason::MayNotUpload(index.name.clone()),
        Action::UploadTestResult(index) => Reason::MayNotUploadTestResult(index.name.clone()),
        Action::RemoveFiles(index) => Reason::MayNotRemoveFiles(index.name.clone()),
        Action::ModifyIndex(index) => Reason::MayNotModifyIndex(index.name.clone()),
        Action::RemoveIndex(index) => Reason::MayNotRemoveIndex(index.name.clone()),
        Action::CreateIndex(name) => Reason::MayNotCreateIndex(name.clone()),
        Action::CreateUser => Reason::MayNotCreateUser {
            restricted: policy.restrict_modify.is_some(),
        },
        Action::ModifyUser(user) => Reason::MayNotModifyUser(user.clone()),
        Action::ChangePassword(user) => Reason::MayNotChangePassword(user.clone()),
        Action::RemoveUser(user) => Reason::MayNotRemoveUser(user.clone()),
    }
}
