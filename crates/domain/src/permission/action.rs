//! What somebody wants to do.

use crate::{Index, IndexName, UserName, token::Permission};

/// What somebody wants to do, and to what.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// See the index: pages, lists, files, configuration.
    ReadIndex(&'a Index),
    /// Upload files and metadata, push to the index.
    Upload(&'a Index),
    /// Send what the index holds to another server.
    PushOutside(&'a Index),
    /// Add test results to files of the index.
    UploadTestResult(&'a Index),
    /// Remove single files; yank.
    RemoveFiles(&'a Index),
    /// Remove a release with its files.
    RemoveRelease(&'a Index),
    /// Remove a project with all that it has.
    RemoveProject(&'a Index),
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
    /// See to a user's tokens.
    ManageTokens(TokenAct, &'a UserName),
}

/// What somebody wants to do about a user's tokens. Whoever may do one may do all; the refusals differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAct {
    /// Make one.
    Create,
    /// See what there is.
    List,
    /// Remove one.
    Remove,
}

impl TokenAct {
    /// devpi-tokens' name of the view, which its refusal tells.
    pub(super) fn view(self) -> &'static str {
        match self {
            Self::Create => "user_token_create",
            Self::List => "user_tokens_info",
            Self::Remove => "user_token_delete",
        }
    }
}

impl<'a> Action<'a> {
    /// The index that it is about.
    pub(super) fn index(self) -> Option<&'a IndexName> {
        match self {
            Self::ReadIndex(index)
            | Self::Upload(index)
            | Self::PushOutside(index)
            | Self::UploadTestResult(index)
            | Self::RemoveFiles(index)
            | Self::RemoveRelease(index)
            | Self::RemoveProject(index)
            | Self::ModifyIndex(index)
            | Self::RemoveIndex(index) => Some(&index.name),
            Self::CreateIndex(name) => Some(name),
            Self::CreateUser
            | Self::ModifyUser(_)
            | Self::ChangePassword(_)
            | Self::RemoveUser(_)
            | Self::ManageTokens(..) => None,
        }
    }

    /// What a token must allow; `None`: no token does.
    pub(super) fn permission(self) -> Option<Permission> {
        match self {
            Self::ReadIndex(_) | Self::PushOutside(_) => Some(Permission::Read),
            Self::Upload(_) => Some(Permission::Upload),
            Self::UploadTestResult(_) => Some(Permission::UploadTestResult),
            Self::RemoveFiles(_) => Some(Permission::RemoveFile),
            Self::RemoveRelease(_) => Some(Permission::RemoveRelease),
            Self::RemoveProject(_) => Some(Permission::RemoveProject),
            Self::ModifyIndex(_) => Some(Permission::ModifyIndex),
            Self::RemoveIndex(_) => Some(Permission::RemoveIndex),
            Self::CreateIndex(_) => Some(Permission::CreateIndex),
            Self::CreateUser
            | Self::ModifyUser(_)
            | Self::ChangePassword(_)
            | Self::RemoveUser(_)
            | Self::ManageTokens(..) => None,
        }
    }

    /// Whether it touches all projects of the index.
    pub(super) fn is_about_all_projects(self) -> bool {
        matches!(
            self,
            Self::ModifyIndex(_) | Self::RemoveIndex(_) | Self::CreateIndex(_)
        )
    }
}
