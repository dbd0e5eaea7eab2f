//! Who asks, and by what they are known.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use crate::{UserName, token::Limits};

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
    /// The token by which they proved it; `None` for a password or a login.
    pub token: Option<HeldToken>,
}

/// The token that a caller came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldToken {
    /// Its public name, for the change log and for messages. No secret.
    pub id: Arc<str>,
    /// What it may do at most.
    pub limits: Arc<Limits>,
    /// The project that it is being asked about and does not cover; see [`Caller::about`].
    pub(super) barred_from: Option<Box<str>>,
}

impl HeldToken {
    /// A token with these limits.
    pub fn new(id: Arc<str>, limits: Arc<Limits>) -> Self {
        Self {
            id,
            limits,
            barred_from: None,
        }
    }
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
            identity: Some(Identity {
                user,
                groups,
                token: None,
            }),
            address: None,
        }
    }

    /// The same user, limited by a token. Nobody in particular stays nobody.
    #[must_use]
    pub fn with_token(mut self, token: HeldToken) -> Self {
        if let Some(identity) = &mut self.identity {
            identity.token = Some(token);
        }
        self
    }

    /// The same caller, known to ask from this address.
    #[must_use]
    pub fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Who they are when it is about this project (by its normalized name): the same caller, except
    /// that one whose token does not cover the project may do nothing with it that nobody may.
    pub fn about(&self, project: &str) -> Cow<'_, Self> {
        let covered = |token: &HeldToken| token.limits.covers_project(project);
        if self.token().is_none_or(covered) {
            return Cow::Borrowed(self);
        }
        let mut barred = self.clone();
        if let Some(Identity {
            token: Some(token), ..
        }) = &mut barred.identity
        {
            token.barred_from = Some(project.into());
        }
        Cow::Owned(barred)
    }

    /// The token that they came with.
    pub fn token(&self) -> Option<&HeldToken> {
        self.identity.as_ref()?.token.as_ref()
    }

    /// Whether all callers who see the same indexes see the same projects in them: not so for a token
    /// that is limited to some projects.
    pub fn sees_all_projects(&self) -> bool {
        self.token()
            .is_none_or(|token| token.limits.covers_all_projects())
    }

    /// How the change log names them: `bob`, `bob (token k3JxWq8T)`, `anonymous`. User names hold no
    /// blanks, so nobody can be called like somebody's token.
    pub fn actor(&self) -> String {
        match (self.user_name(), self.token()) {
            (None, _) => "anonymous".to_owned(),
            (Some(user), None) => user.to_string(),
            (Some(user), Some(token)) => format!("{user} (token {})", token.id),
        }
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
