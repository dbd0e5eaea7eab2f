//! Which indexes answer for a project, and which files win.
//!
//! Three steps, each a function of data: [`order`] (which indexes are asked, in which order), [`whitelist`]
//! (which of them may contribute a project), [`merge`] (which files are listed). The rules are those of
//! devpi. What a caller may not read is taken out after the second step, never before: a private project on
//! an index that the caller cannot read still keeps the mirrors out.

mod merge;
mod order;
mod whitelist;

pub use self::{
    merge::{HasFileName, Shadowed, merge, merge_with_shadowed},
    order::order,
    whitelist::{Contribution, Decision, Step, StepKind, contributors},
};
