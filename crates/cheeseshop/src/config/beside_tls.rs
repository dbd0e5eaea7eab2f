//! Settings that do not go together with an address that speaks TLS.

use cheeseshop_http::HttpSettings;

use super::layers::Resolved;
use super::problem::{Problem, listing};
use super::section::complain_of;
use super::sections::Config;
use crate::failure::Failure;
use crate::tls::TlsSettings;

impl Config {
    /// Looks at what [`Config::load`] leaves open where a service manager has opened the sockets: whether
    /// TLS is spoken. It is.
    pub(crate) fn suits_tls(&self) -> Result<(), Failure> {
        let mut problems = Vec::new();
        complain_of_outside_url(&self.resolved, &self.http, &self.tls, &mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failure::could_not_try(listing(&problems)))
        }
    }
}

/// A URL for users that leads to where their passwords are refused.
pub(super) fn complain_of_outside_url(
    resolved: &Resolved,
    http: &HttpSettings,
    tls: &TlsSettings,
    problems: &mut Vec<Problem>,
) {
    let is_plain = |url: &url::Url| url.scheme() == "http";
    if tls.refuses_plain_logins() && http.outside_url.as_ref().is_some_and(is_plain) {
        let message = "clients would send their passwords to an http URL, where \
                       `tls.plain_http` refuses them: begin it with https"
            .to_owned();
        complain_of(resolved, "server.outside_url", message, problems);
    }
}
