//! Which upstream the mirror `root/pypi` gets at the first start.

use cheeseshop_app::mirror::{DefaultUpstream, Surroundings, default_upstream};
use cheeseshop_domain::SecretUrl;

use crate::config::Config;
use crate::failure::Failure;

/// The configured upstream, else the one of the user's pip or uv, else PyPI.
pub(crate) fn of_root_pypi(config: &Config) -> Result<DefaultUpstream, Failure> {
    let configured = config
        .root_pypi_url
        .as_deref()
        .map(SecretUrl::parse)
        .transpose()
        .map_err(|error| Failure::caused_by("`mirror.root_pypi_url`", &error))?;
    let own_port = config
        .listen
        .first()
        .and_then(|address| address.rsplit_once(':'))
        .and_then(|(_, port)| port.parse().ok());
    Ok(default_upstream(
        configured.as_ref(),
        &Surroundings {
            variable: &|name| config.surroundings.get(name).map(str::to_owned),
            file: &|path| std::fs::read_to_string(path).ok(),
            own_port,
        },
    ))
}
