//! Settings: where they come from, what they may be, and what is wrong with them.
//!
//! A setting has one entry in [`setting::SETTINGS`]: its key, its kind, its default and what it
//! means. Values are laid over each other in the order defaults, files, environment, flags; each
//! keeps its origin, and every problem of every source is reported at once. What the other crates
//! read are plain structs ([`sections`]) made from the values here and nowhere else.

mod beside_tls;
mod credentials;
mod layers;
mod problem;
mod reference;
mod section;
mod sections;
mod setting;
mod show;
mod surroundings;
mod value;

pub(crate) use layers::{Given, Origin, names_setting};
pub(crate) use sections::{BackupConfig, Config, LogConfig, LogFormat, PrintRootPassword};
pub(crate) use show::{holds_secret, show};
pub(crate) use surroundings::Surroundings;

use value::{Kind, Value};

/// Reads a time as settings spell it: `30`, `"30s"`, `"10m"`, `"1h"`.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    match value::parse_text(Kind::Duration, text)? {
        Value::Number(seconds) => Ok(std::time::Duration::from_secs(seconds)),
        _ => Err(format!("`{text}` is not a time")),
    }
}
