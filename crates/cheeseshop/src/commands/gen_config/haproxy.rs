//! `gen-config haproxy`: one site, in front of one server or of several nodes.

use minijinja::context;

use super::addresses::{self, Listen};
use super::arguments::{ClientCertificates, HaproxyArgs};
use super::site::{self, Backend, refused};
use super::{Made, filled};
use crate::config::Config;
use crate::failure::Failure;

const TEMPLATE: &str = include_str!("templates/haproxy.cfg.j2");

/// The longest that haproxy keeps an idle connection.
const MOST_IDLE_SECONDS: u64 = 60;

/// Makes the file.
pub(super) fn made(config: &Config, options: &HaproxyArgs) -> Result<Made, Failure> {
    let nodes = Backend::all(config, &options.node)?;
    let name = match &options.server_name {
        Some(name) => addresses::name(name)?,
        None => addresses::name(&site::default_name(config))?,
    };
    let listen = Listen::all("--listen", &options.listen, 443)?;
    let Some(first) = listen.first() else {
        return Err(refused("--listen", "none", "[HOST:]PORT"));
    };
    let outside_url = config
        .http
        .outside_url
        .as_ref()
        // One of plain http is from the time before haproxy, which speaks TLS.
        .filter(|url| url.host_str() == Some(&name) && url.scheme() == "https")
        .map_or_else(
            || {
                format!(
                    "https://{name}{}",
                    addresses::port_suffix("https", first.port)
                )
            },
            |url| url.origin().ascii_serialization(),
        );
    let redirect_from = Listen::all("--redirect-from", &options.redirect_from, 80)?;
    Listen::distinct(&listen, &redirect_from)?;
    let certificate = match &options.certificate {
        Some(path) => path.clone(),
        None => format!("/etc/haproxy/certs/{name}.pem").into(),
    };
    let prefix = site::prefix(config)?;
    let idle = config.connections.header_read_timeout.as_secs() * 4 / 5;
    let values = context! {
        nodes => nodes.iter().map(|node| context! {
            address => haproxy_address(&node.address),
            is_tls => node.is_tls,
        }).collect::<Vec<_>>(),
        node_ca => site::authorities(&nodes, options.node_ca.as_ref())?,
        name,
        idle => idle.clamp(1, MOST_IDLE_SECONDS),
        listen => spelled(&listen),
        redirect_from => spelled(&redirect_from),
        certificate => site::file("--certificate", &certificate)?,
        redirect => redirect(&outside_url),
        outside_url,
        prefix_pattern => prefix.replace('.', "\\."),
        prefix,
        hsts => config.tls.hsts_seconds,
        immutable => options.immutable_accounts,
        login_rate => options.login_rate,
        client_ca => match &options.client_ca {
            Some(file) => Some(site::file("--client-ca", file)?),
            None => None,
        },
        verify_client => match options.client_certificates {
            ClientCertificates::Optional => "optional",
            ClientCertificates::Required => "required",
        },
        status_networks => addresses::networks(&options.allow_status)?,
    };
    Ok(Made {
        text: filled("the configuration", TEMPLATE, values)?,
        remarks: site::remarks(config, &nodes, options.node_ca.is_some(), "haproxy"),
    })
}

/// How plain http leads to https: by the name that was asked for, and where the port is not the usual one by
/// the URL of the site, for `scheme` would keep the port of plain http.
fn redirect(outside_url: &str) -> String {
    let is_unusual = |place: &str| place.contains(':');
    if outside_url.strip_prefix("https://").is_some_and(is_unusual) {
        format!("prefix {outside_url}")
    } else {
        "scheme https".to_owned()
    }
}

/// haproxy has another word for sockets of the file system.
fn haproxy_address(address: &str) -> String {
    address.replacen("unix:", "unix@", 1)
}

/// The addresses as `bind` takes them. Without a host, haproxy means IPv4 only.
fn spelled(listen: &[Listen]) -> Vec<String> {
    let spelled = |listen: &Listen| match (listen.host.as_str(), listen.port) {
        ("", port) => vec![format!(":{port}"), format!("[::]:{port} v6only")],
        (host, port) => vec![format!("{host}:{port}")],
    };
    listen.iter().flat_map(spelled).collect()
}
