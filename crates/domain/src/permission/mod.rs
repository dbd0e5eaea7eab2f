//! Who may do what.
//!
//! [`judge`] is the only place that decides; the rules are devpi's, the reading rule is ours. An index
//! that the caller may not read does not exist for them: the faces spell that, this module only says so.
//!
//! A caller who came with a token may do what its user may, within the token's limits. Limits on
//! projects are asked for through [`Caller::about`]: whoever acts on a project, or shows one, asks for
//! that caller's permission.

mod action;
mod caller;
mod reason;

use crate::{Index, IndexName, Principal, UserName, token::Permission};

pub use self::action::{Action, TokenAct};
pub use self::caller::{Caller, HeldToken, Identity};
pub use self::reason::{IndexNotFound, PushRefused, Reason};

use self::reason::reason;

/// The rules that the operator chose for the whole server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionPolicy {
    /// devpi's `--restrict-modify`: when set, only these may make and change users and indexes. `root` has
    /// no part in it unless it is listed.
    pub restrict_modify: Option<Vec<Principal>>,
    /// Whether anybody, also without saying who they are, may make a user.
    pub self_registration: bool,
    /// Whether nobody reads anything without saying who they are, whatever `acl_read` says.
    pub login_required: bool,
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

/// Decides whether the caller may do it.
///
/// What is about one project is asked for [`Caller::about`] it.
pub fn judge(policy: &PermissionPolicy, caller: &Caller, action: Action<'_>) -> Verdict {
    // Reading has its own rule for tokens: what everybody may read, every caller may.
    if let Action::ReadIndex(index) = action {
        return if may_read(policy.login_required, caller, index) {
            Verdict::Allowed
        } else {
            Verdict::Denied(reading_refusal(caller, &index.name))
        };
    }
    if let Some(refusal) = token_refusal(policy, caller, action) {
        return Verdict::Denied(refusal);
    }
    let allowed = match action {
        Action::ReadIndex(_) => true,
        // Nobody has an implicit right to upload, neither root nor the owner.
        Action::Upload(index) => uploaders_include(index, caller),
        // devpi lets everybody who may read; whoever reaches it could make it talk to any address.
        Action::PushOutside(index) => {
            !caller.is_anonymous() && may_read(policy.login_required, caller, index)
        }
        Action::UploadTestResult(index) => index
            .config
            .kind
            .acl_test_result_upload()
            .is_some_and(|acl| acl.admits(caller)),
        Action::RemoveFiles(index)
        | Action::RemoveRelease(index)
        | Action::RemoveProject(index) => {
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
        Action::ModifyUser(user) | Action::ManageTokens(_, user) => {
            may_administer(policy, caller, user)
        }
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

/// Whether the caller may see the index: root, its owner, and whom `acl_read` admits; when reading
/// requires a login, nobody without one.
///
/// A token that does not let its user read the index leaves what everybody may read: leaving the token
/// out would give that too.
pub fn may_read(login_required: bool, caller: &Caller, index: &Index) -> bool {
    let acl = &index.config.acl_read;
    if !login_required && acl.is_public() {
        return true;
    }
    !caller.is_anonymous()
        && unread_by_token(caller, &index.name).is_none()
        && (acl.admits(caller) || caller.is_root() || caller.is(&index.name.user))
}

/// Why the caller may not read an index that they may not read. It says nothing of whether the index
/// exists.
pub fn reading_refusal(caller: &Caller, index: &IndexName) -> Reason {
    unread_by_token(caller, index).unwrap_or_else(|| Reason::MayNotRead(index.clone()))
}

/// Whether the caller may make tokens that last for more than a year: root, or whom the operator
/// listed (devpi-tokens' rule).
pub fn may_make_lasting_tokens(policy: &PermissionPolicy, caller: &Caller) -> bool {
    match &policy.restrict_modify {
        Some(listed) => is_listed(listed, caller),
        None => caller.is_root(),
    }
}

/// What the caller's token has against reading the index.
fn unread_by_token(caller: &Caller, index: &IndexName) -> Option<Reason> {
    let token = caller.token()?;
    let lacks = || Some(Reason::TokenLacksIndex(index.clone()));
    if !token.limits.covers_index(index) {
        return lacks();
    }
    if let Some(project) = &token.barred_from {
        return Some(Reason::TokenLacksProject(project.clone()));
    }
    if token.limits.allows(Permission::Read) {
        None
    } else {
        lacks()
    }
}

/// What the caller's token has against anything but reading. A token never touches users, and one for
/// certain projects no whole index.
fn token_refusal(policy: &PermissionPolicy, caller: &Caller, action: Action<'_>) -> Option<Reason> {
    let token = caller.token()?;
    let Some(permission) = action.permission() else {
        return Some(reason(policy, action));
    };
    if let Some(index) = action.index()
        && (!token.limits.covers_index(index)
            || (action.is_about_all_projects() && !token.limits.covers_all_projects()))
    {
        return Some(Reason::TokenLacksIndex(index.clone()));
    }
    if let Some(project) = &token.barred_from {
        return Some(Reason::TokenLacksProject(project.clone()));
    }
    (!token.limits.allows(permission)).then(|| reason(policy, action))
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
