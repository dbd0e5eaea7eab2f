//! A running devpi-server, followed by its change log until the moment of the switch.
//!
//! We ask as one of devpi's own replicas would (protocol reference §22): the log from the first
//! commit on, then what is new, second by second. Keys and values go into a file of our own
//! ([`store`]), and in the same transaction every user, index and project that a commit touched
//! is marked as pending. What is pending is then taken in as it is *now*, and the mark removed
//! once that is durable. So this may be killed at any moment and goes on where it was, and a
//! project that changes a hundred times meanwhile is taken in once.

mod apply;
mod error;
mod fetch;
mod follower;
mod marks;
mod primary;
mod state;
mod store;
mod token;

pub use self::error::FollowError;
pub use self::follower::{Ended, FollowNow, FollowOptions, Follower, Until, Watcher};
pub use self::token::SecretCost;
