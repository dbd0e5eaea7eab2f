//! `gen-config nginx`: a site for each name, all in front of one server.

use std::collections::HashSet;
use std::path::PathBuf;

use cheeseshop_storage::BlobConfig;
use minijinja::{Value, context};
use url::Url;

use super::addresses::{self, Listen};
use super::arguments::{ClientCertificates, NginxArgs};
use super::site::{self, Backend, refused};
use super::{Made, filled};
use crate::config::Config;
use crate::failure::Failure;

const TEMPLATE: &str = include_str!("templates/nginx.conf.j2");

/// From here on HTTP/2 has a directive of its own.
const HTTP2_DIRECTIVE: (u32, u32, u32) = (1, 25, 1);

/// The longest that nginx keeps an idle connection to the server.
const MOST_IDLE_SECONDS: u64 = 60;

/// Makes the file.
pub(super) fn made(config: &Config, options: &NginxArgs) -> Result<Made, Failure> {
    let nodes = Backend::all(config, &options.node)?;
    let is_tls = !options.plain_http;
    let listen = Listen::all("--listen", &options.listen, if is_tls { 443 } else { 80 })?;
    let Some(first) = listen.first() else {
        return Err(refused("--listen", "none", "[HOST:]PORT"));
    };
    let redirect_from = if is_tls {
        Listen::all("--redirect-from", &options.redirect_from, 80)?
    } else {
        Vec::new()
    };
    Listen::distinct(&listen, &redirect_from)?;
    if options.acme_root.is_some() && redirect_from.is_empty() {
        return Err(Failure::could_not_try(
            "`--acme-root` is served on plain http, and the site has none",
        )
        .with_hint("leave out --plain-http and --redirect-from none"));
    }
    let has_directive = match &options.nginx_version {
        Some(text) => version(text)? >= HTTP2_DIRECTIVE,
        None => false,
    };
    let accel = accel(config)?;
    let optional = |flag: &str, path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map(|path| site::file(flag, path)).transpose()
    };
    let idle = config.connections.header_read_timeout.as_secs() * 4 / 5;
    let values = context! {
        nodes => nodes.iter().map(|node| node.address.clone()).collect::<Vec<_>>(),
        node_ca => site::authorities(&nodes, options.node_ca.as_ref())?,
        // They all speak the same.
        backend_scheme => if nodes.iter().any(|node| node.is_tls) { "https" } else { "http" },
        idle => idle.clamp(1, MOST_IDLE_SECONDS),
        // What is a little too large is refused by the server, in its own words.
        most_buffered => config.http.max_json_bytes.saturating_mul(2),
        sites => sites(config, options, first.port)?,
        prefix => site::prefix(config)?,
        prefix_pattern => pattern(&site::prefix(config)?),
        is_tls,
        hsts => config.tls.hsts_seconds,
        listen => spelled(&listen),
        redirect_from => spelled(&redirect_from),
        acme_root => optional("--acme-root", &options.acme_root)?,
        has_directive,
        immutable => options.immutable_accounts,
        login_rate => options.login_rate,
        login_burst => options.login_rate.div_ceil(2),
        status_networks => addresses::networks(&options.allow_status)?,
        cache => optional("--cache", &options.cache)?,
        client_ca => optional("--client-ca", &options.client_ca)?,
        verify_client => match options.client_certificates {
            ClientCertificates::Optional => "optional",
            ClientCertificates::Required => "on",
        },
        accel => accel.clone(),
        folders => folders(config)?,
    };
    let mut remarks = site::remarks(config, &nodes, options.node_ca.is_some(), "nginx");
    if accel.is_some() && !nodes.iter().all(Backend::is_here) {
        remarks.push(
            "nginx sends files itself, so the directory of blobs must be there on its machine too."
                .to_owned(),
        );
    } else if accel.is_some()
        && let BlobConfig::Local { path } = &config.blobs
        && !path.is_dir()
    {
        remarks.push(format!(
            "There is no directory {}, as far as can be seen: are these the settings of the server?",
            path.display()
        ));
    }
    Ok(Made {
        text: filled("the site", TEMPLATE, values)?,
        remarks,
    })
}

/// What nginx sends by itself: the location that the server names, and the directory that it stands for.
fn accel(config: &Config) -> Result<Option<Value>, Failure> {
    let BlobConfig::Local { path } = &config.blobs else {
        return Ok(None);
    };
    let Some(location) = &config.http.accel_location else {
        return Ok(None);
    };
    // With a slash at its end, like the location.
    let directory = site::quoted("blobs.path", &path.join(""))?;
    Ok(Some(context! { location => location, directory }))
}

/// The directories that nginx goes through to the blobs and that are the server's own.
fn folders(config: &Config) -> Result<Vec<String>, Failure> {
    let BlobConfig::Local { path } = &config.blobs else {
        return Ok(Vec::new());
    };
    if path.starts_with(&config.data_dir) {
        Ok(vec![site::quoted("server.data_dir", &config.data_dir)?])
    } else {
        Ok(Vec::new())
    }
}

/// The sites, each a name with its aliases.
fn sites(config: &Config, options: &NginxArgs, port: u16) -> Result<Vec<Value>, Failure> {
    let given = if options.server_name.is_empty() {
        vec![site::default_name(config)]
    } else {
        options.server_name.clone()
    };
    let file = |flag: &str, files: &[PathBuf], place: usize, default: String| {
        let file = match files {
            [] => PathBuf::from(default),
            [one] => one.clone(),
            many if many.len() == given.len() => many[place].clone(),
            many => {
                return Err(Failure::could_not_try(format!(
                    "{flag} is given {} times for {} sites; give it once, or once for each",
                    many.len(),
                    given.len()
                )));
            }
        };
        site::file(flag, &file)
    };
    let mut taken = HashSet::new();
    let sites = given.iter().enumerate().map(|(place, names)| {
        let names: Vec<String> = names
            .split(',')
            .map(addresses::name)
            .collect::<Result<_, _>>()?;
        if let Some(name) = names.iter().find(|name| taken.contains(*name)) {
            return Err(refused("--server-name", name, "given for one site alone"));
        }
        taken.extend(names.iter().cloned());
        let first = &names[0];
        let patterns: Vec<String> = names.iter().map(|name| pattern(name)).collect();
        let certificate = format!("/etc/ssl/certs/{first}.pem");
        let key = format!("/etc/ssl/private/{first}.key");
        let configured = config.http.outside_url.as_ref();
        let outside = outside(configured, &names, !options.plain_http, port);
        Ok(context! {
            first,
            names => names.join(" "),
            pattern => patterns.join("|"),
            certificate => file("--certificate", &options.certificate, place, certificate)?,
            key => file("--key", &options.key, place, key)?,
            scheme => outside.0,
            outside_url => format!("{}://$host{}", outside.0, outside.1),
            secure_url => format!("https://$host{}", addresses::port_suffix("https", port)),
        })
    });
    sites.collect()
}

/// Scheme and port of what users see of a site: as the settings say where they mean this site, else as nginx
/// listens. Where nginx speaks TLS, a URL of plain http is from the time before it.
fn outside(
    configured: Option<&Url>,
    names: &[String],
    is_tls: bool,
    port: u16,
) -> (&'static str, String) {
    let ours = configured.filter(|url| {
        let host = url.host_str().unwrap_or_default();
        names.iter().any(|name| name == host) && (url.scheme() == "https" || !is_tls)
    });
    let (is_tls, port) = match ours {
        Some(url) => (
            url.scheme() == "https",
            url.port_or_known_default().unwrap_or(port),
        ),
        None => (is_tls, port),
    };
    let scheme = if is_tls { "https" } else { "http" };
    (scheme, addresses::port_suffix(scheme, port))
}

/// The addresses as `listen` takes them. Without a host, nginx means IPv4 only.
fn spelled(listen: &[Listen]) -> Vec<String> {
    let spelled = |listen: &Listen| match (listen.host.as_str(), listen.port) {
        ("", port) => vec![port.to_string(), format!("[::]:{port}")],
        (host, port) => vec![format!("{host}:{port}")],
    };
    listen.iter().flat_map(spelled).collect()
}

/// Plain text in a regular expression.
fn pattern(text: &str) -> String {
    text.replace('.', "\\.").replace('-', "\\-")
}

fn version(text: &str) -> Result<(u32, u32, u32), Failure> {
    let number = text.rsplit("nginx/").next().unwrap_or(text);
    let number = number.split(' ').next().unwrap_or(number);
    let mut numbers = number.split('.').map(str::parse::<u32>);
    let mut next = || numbers.next().unwrap_or(Ok(0));
    match (next(), next(), next()) {
        (Ok(major), Ok(minor), Ok(patch)) if major > 0 => Ok((major, minor, patch)),
        _ => Err(refused("--nginx-version", text, "a version such as 1.22.1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_see_what_the_settings_say_of_a_site_and_else_where_nginx_listens() {
        let names = ["a.test".to_owned(), "b.test".to_owned()];
        for (configured, is_tls, port, expected) in [
            (None, true, 443, ("https", "")),
            (None, true, 8443, ("https", ":8443")),
            (None, false, 80, ("http", "")),
            (None, false, 443, ("http", ":443")),
            (Some("https://b.test/path"), false, 80, ("https", "")),
            (Some("https://a.test:4443"), true, 443, ("https", ":4443")),
            (Some("http://other.test"), true, 443, ("https", "")),
            (Some("http://a.test:8080"), true, 443, ("https", "")),
            (Some("http://a.test:8080"), false, 80, ("http", ":8080")),
        ] {
            let url = configured.map(|url| Url::parse(url).unwrap());
            let (scheme, suffix) = outside(url.as_ref(), &names, is_tls, port);
            assert_eq!((scheme, suffix.as_str()), expected, "{configured:?} {port}");
        }
    }

    #[test]
    fn versions_are_those_that_nginx_prints() {
        for (text, expected) in [
            ("1.22.1", Some((1, 22, 1))),
            ("nginx/1.25.1", Some((1, 25, 1))),
            ("nginx version: nginx/1.24.0 (Ubuntu)", Some((1, 24, 0))),
            ("1.26", Some((1, 26, 0))),
            ("", None),
            ("0.8", None),
            ("new", None),
        ] {
            assert_eq!(version(text).ok(), expected, "{text}");
        }
    }
}
