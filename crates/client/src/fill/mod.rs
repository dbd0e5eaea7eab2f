//! What filling an index has to decide: what files of requirements ask for, which of it has a wheel
//! already, and how the result is told to machines. Nothing here runs a program or asks a server;
//! the command `fill` does.

mod junit;
mod lines;
mod missing;
mod requirements;
mod resolution;
mod tags;

pub(crate) use self::junit::{Case, Verdict, junit};
pub(crate) use self::missing::{Listing, Need, judge};
pub(crate) use self::requirements::{Line, Requirements, rounds};
pub(crate) use self::resolution::{Resolved, read_report};
pub(crate) use self::tags::{Tags, is_pure};
