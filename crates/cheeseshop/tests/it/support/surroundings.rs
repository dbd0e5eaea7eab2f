//! The surroundings of one command for another one.

use std::process::Command;

/// A program that starts the one under test sees what that one would.
pub(crate) trait Surroundings {
    /// Gives it the variables of the other command, and no others.
    fn in_surroundings_of(&mut self, other: &Command) -> &mut Self;
}

impl Surroundings for Command {
    fn in_surroundings_of(&mut self, other: &Command) -> &mut Self {
        let variables = other
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        self.env_clear().envs(variables)
    }
}
