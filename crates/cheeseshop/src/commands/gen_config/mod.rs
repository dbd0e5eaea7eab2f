//! `cheeseshop gen-config`: files for the programs around the server, made from its settings.
//!
//! A kind is a template in `templates/`, the values that it is filled with (one module each), and an entry in
//! [`Kind`]. What is written says how to install it. `devpi-gen-config` writes its own files by the
//! same means ([`filled`], [`replace`], [`Words`]).

mod addresses;
mod arguments;
mod haproxy;
mod nginx;
pub(crate) mod service;
mod site;
mod template;
mod words;

pub(crate) use self::arguments::GenConfigArgs;
use self::arguments::Kind;
pub(crate) use self::template::{filled, replace};
pub(crate) use self::words::{Format, Words, crontab_word, shell_word};
use crate::cli::SettingArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::output;

/// The mode of a file that is written: nothing in it is a secret.
const MODE: u32 = 0o644;

/// Writes what was asked for.
pub(crate) fn run(settings: &SettingArgs, arguments: &GenConfigArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    let made = match &arguments.kind {
        Kind::Nginx(options) => nginx::made(&config, options)?,
        Kind::Haproxy(options) => haproxy::made(&config, options)?,
        Kind::Systemd(options) => service::made(service::SYSTEMD, settings, &config, options)?,
        Kind::Supervisord(options) => {
            service::made(service::SUPERVISOR, settings, &config, options)?
        }
        Kind::Launchd(options) => service::made(service::LAUNCHD, settings, &config, options)?,
        Kind::WindowsService(options) => {
            service::made(service::WINDOWS, settings, &config, options)?
        }
    };
    match &arguments.output {
        Some(path) => replace(path, &made.text, MODE)?,
        None => output::data(made.text.trim_end()),
    }
    for remark in &made.remarks {
        output::talk(remark);
    }
    Ok(())
}

/// A file, and what is to be said about it beside it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) text: String,
    /// Sentences for whoever asked, on standard error.
    pub(crate) remarks: Vec<String>,
}
