//! `cheeseshop config`: a look at the settings without starting anything.

use crate::cli::SettingArgs;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::tls::ServerTls;
use crate::{output, reach, theme};

/// Reads and checks all settings.
pub(crate) fn check(settings: &SettingArgs) -> Result<(), Failure> {
    // Here the problems are the answer, not an obstacle.
    let config = Config::load_to_look(settings).map_err(Failure::into_answer)?;
    let unseen = config.resolved.out_of_reach();
    if !unseen.is_empty() {
        output::talk(&format!(
            "not looked at, since only the service gets these credentials: {}",
            unseen.join(", ")
        ));
    }
    let is_tls_in_reach = !unseen.iter().any(|key| key.starts_with("tls."));
    if config.tls.is_on() && is_tls_in_reach {
        let warnings = ServerTls::check(&config.tls).map_err(Failure::into_answer)?;
        for warning in warnings {
            output::talk(&format!("warning: {warning}"));
        }
    }
    let (_, remarks) = theme::read(&config.web).map_err(Failure::into_answer)?;
    for remark in remarks {
        output::talk(&remark);
    }
    reach::check(&config)?;
    let files: Vec<String> = config
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let read = if files.is_empty() {
        "no settings file".to_owned()
    } else {
        files.join(", ")
    };
    output::talk(&format!("the settings are fine (read {read})"));
    Ok(())
}

/// Prints every setting that has a value, with its origin and without secrets.
pub(crate) fn show(settings: &SettingArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    for line in config::show(&config.resolved) {
        output::data(&line);
    }
    Ok(())
}
