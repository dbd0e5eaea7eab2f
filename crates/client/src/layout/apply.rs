//! A plan, carried out over the JSON API.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::plan::Password;
use super::{Action, Layout, Plan, Present, Step, Subject};
use crate::{Error, Server};

/// Letters of generated passwords: none that looks like another.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Length of generated passwords: 32 letters to the power of 20 are 100 bits.
const PASSWORD_LENGTH: usize = 20;

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done {
        /// The password that was made up for a new user. It is told this once.
        generated_password: Option<SecretString>,
    },
    /// The server did not do it.
    Failed(Error),
    /// It was not tried, since what it needs has failed.
    Skipped {
        /// What it needs; `None`: the server gives no answer any more.
        needed: Option<Subject>,
    },
}

impl Outcome {
    /// Whether the step is done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl Server {
    /// What the server has, as far as a layout is concerned: users, indexes, and whether the passwords of
    /// the layout are right, which is found out by logging in.
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn layout_state(&self, layout: &Layout) -> Result<Present, Error> {
        let mut present = Present::new(self.users().await?);
        for (user, password) in layout.passwords() {
            if !present.has_user(user.as_str()) {
                continue;
            }
            match self.log_in(user.as_str(), password.expose_secret()).await {
                Ok(_) => {}
                Err(Error::Refused { status: 401, .. }) => present.note_wrong_password(user),
                Err(error) => return Err(error),
            }
        }
        Ok(present)
    }

    async fn apply_step(&self, step: &Step) -> Result<Option<SecretString>, Error> {
        let mut generated = None;
        let mut settings = step.settings.0.clone();
        let password = match &step.password {
            Password::Stays => None,
            Password::Given(password) => Some(password),
            Password::Generated => Some(&*generated.insert(generate_password()?)),
        };
        if let Some(password) = password {
            settings.insert("password".to_owned(), password.expose_secret().into());
        }
        let settings = Value::Object(settings);
        match (&step.subject, step.action) {
            (Subject::User(name), Action::Create) => {
                self.create_user(name.as_str(), &settings).await?;
            }
            (Subject::User(name), Action::Change) => {
                self.change_user(name.as_str(), &settings).await?;
            }
            (Subject::User(name), Action::Remove) => self.remove_user(name.as_str()).await?,
            (Subject::Index(name), Action::Create) => {
                self.create_index(&name.to_string(), &settings).await?;
            }
            (Subject::Index(name), Action::Change) => {
                self.merge_index(&name.to_string(), &settings).await?;
            }
            (Subject::Index(name), Action::Remove) => self.remove_index(&name.to_string()).await?,
        }
        Ok(generated)
    }
}

impl Plan {
    /// Does one step after the other and tells of each. A step that fails takes those with it that need
    /// it; the others are done. When the server gives no answer, the rest is not tried.
    ///
    /// Gives how many steps were not done.
    pub async fn apply(&self, server: &Server, mut told: impl FnMut(&Step, Outcome)) -> usize {
        let mut missing = BTreeSet::new();
        let mut is_gone = false;
        let mut not_done = 0;
        for step in &self.steps {
            let needed = step.needs.iter().find(|needed| missing.contains(*needed));
            let outcome = if is_gone {
                Outcome::Skipped { needed: None }
            } else if let Some(needed) = needed {
                let needed = Some(needed.clone());
                Outcome::Skipped { needed }
            } else {
                match server.apply_step(step).await {
                    Ok(generated_password) => Outcome::Done { generated_password },
                    Err(error) => {
                        is_gone = matches!(error, Error::Transport(_) | Error::Silence(_));
                        Outcome::Failed(error)
                    }
                }
            };
            if !outcome.is_done() {
                not_done += 1;
                // What is there and could not be changed can still be inherited from.
                if step.action == Action::Create {
                    missing.insert(step.subject.clone());
                }
            }
            told(step, outcome);
        }
        not_done
    }
}

/// A password of 100 bits, without letters that look like others.
///
/// # Errors
/// When the system has no randomness.
pub fn generate_password() -> Result<SecretString, Error> {
    let mut random = [0_u8; PASSWORD_LENGTH];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Unexpected(format!("the system has no randomness: {error}")))?;
    // 256 is a multiple of 32, so no letter is likelier than another.
    let password: String = random
        .iter()
        .map(|byte| char::from(PASSWORD_LETTERS[usize::from(byte % 32)]))
        .collect();
    Ok(password.into())
}
