//! Why something was denied, in devpi's words.

use std::fmt;

use super::{Action, Caller, PermissionPolicy, TokenAct};
use crate::{IndexName, UserName};

/// Why something was denied. `Display` is devpi's text for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The index is not for the caller's eyes; to them it must look absent.
    MayNotRead(IndexName),
    /// Not in `acl_upload`.
    MayNotUpload(IndexName),
    /// Nobody, or a token that reads nothing.
    MayNotPushOutside(IndexName),
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
    /// Not one who may see or change this user's tokens.
    MayNotManageTokens(TokenAct),
    /// The caller's token does not cover the index.
    TokenLacksIndex(IndexName),
    /// The caller's token does not cover the project.
    TokenLacksProject(Box<str>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MayNotRead(index) => write!(f, "{}", IndexNotFound(index)),
            Self::MayNotUpload(_) => f.write_str("no permission to submit"),
            Self::MayNotPushOutside(index) => {
                write!(f, "no permission to push from {index} to another server")
            }
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
            Self::MayNotManageTokens(act) => {
                f.write_str(&ACCESS_DENIED.replace("PyPIView", act.view()))
            }
            Self::TokenLacksIndex(index) => {
                write!(f, "Token denied access to index '{index}'")
            }
            Self::TokenLacksProject(project) => {
                write!(f, "Token denied access to project '{project}'")
            }
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

/// Why whoever is refused this is refused, unless their token has its own reasons.
pub(super) fn reason(policy: &PermissionPolicy, action: Action<'_>) -> Reason {
    match action {
        Action::ReadIndex(index) => Reason::MayNotRead(index.name.clone()),
        Action::Upload(index) => Reason::MayNotUpload(index.name.clone()),
        Action::PushOutside(index) => Reason::MayNotPushOutside(index.name.clone()),
        Action::UploadTestResult(index) => Reason::MayNotUploadTestResult(index.name.clone()),
        Action::RemoveFiles(index)
        | Action::RemoveRelease(index)
        | Action::RemoveProject(index) => Reason::MayNotRemoveFiles(index.name.clone()),
        Action::ModifyIndex(index) => Reason::MayNotModifyIndex(index.name.clone()),
        Action::RemoveIndex(index) => Reason::MayNotRemoveIndex(index.name.clone()),
        Action::CreateIndex(name) => Reason::MayNotCreateIndex(name.clone()),
        Action::CreateUser => Reason::MayNotCreateUser {
            restricted: policy.restrict_modify.is_some(),
        },
        Action::ModifyUser(user) => Reason::MayNotModifyUser(user.clone()),
        Action::ChangePassword(user) => Reason::MayNotChangePassword(user.clone()),
        Action::RemoveUser(user) => Reason::MayNotRemoveUser(user.clone()),
        Action::ManageTokens(act, _) => Reason::MayNotManageTokens(act),
    }
}
