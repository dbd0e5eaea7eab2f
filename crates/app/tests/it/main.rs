//! The app's use-cases, told as their users see them.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod consistency;
#[cfg(test)]
mod constrained;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod find_links;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod indexes;
#[cfg(test)]
mod interleaved;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod push;
#[cfg(test)]
mod push_attached;
#[cfg(test)]
mod push_outside;
#[cfg(test)]
mod races;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod support;
#[cfg(test)]
mod test_results;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod trigger;
mod users;
#[cfg(test)]
mod yank;
