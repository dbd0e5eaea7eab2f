//! What `gen-config` takes from the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct GenConfigArgs {
    /// Write into this file, whole or not at all, in place of printing.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) output: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) kind: Kind,
}

/// What can be written.
#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// A site of nginx in front of the server.
    Nginx(NginxArgs),
    /// haproxy in front of one server or of several nodes.
    Haproxy(HaproxyArgs),
    /// A service of systemd, for an installation without the Debian package.
    Systemd(ServiceArgs),
    /// A program of supervisord.
    Supervisord(ServiceArgs),
    /// A property list of launchd.
    Launchd(ServiceArgs),
    /// How to have a server started with Windows.
    WindowsService(ServiceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Who runs the server. Default: whoever asks.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NginxArgs {
    /// Address of a server: `[https://]HOST:PORT` or `unix:/path`. May be repeated, for several nodes of one
    /// installation. Default: the first address that the server of these settings listens on.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) node: Vec<String>,

    /// Authorities of the nodes' certificates, which are looked at then: each node has one for the name of the
    /// site. For nodes with https://.
    #[arg(long, value_name = "FILE", requires = "node")]
    pub(crate) node_ca: Option<PathBuf>,

    /// Name of the site, with aliases behind commas. Repeated: as many sites. Default: the host of
    /// `server.outside_url`, else this machine's name.
    #[arg(long, value_name = "NAME[,ALIAS]")]
    pub(crate) server_name: Vec<String>,

    /// Certificate with its chain, one for all sites or one for each. Default:
    /// /etc/ssl/certs/NAME.pem
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Vec<PathBuf>,

    /// Key of the certificate, as many as there are certificates. Default:
    /// /etc/ssl/private/NAME.key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,

    /// No TLS: for a network that encrypts by itself, or behind something that ends TLS.
    #[arg(long, conflicts_with_all = ["certificate", "key", "client_ca"])]
    pub(crate) plain_http: bool,

    /// Address and port for TLS, or for everything with `--plain-http`. May be repeated. Default:
    /// port 443 (80) of every address.
    #[arg(long, value_name = "[HOST:]PORT")]
    pub(crate) listen: Vec<String>,

    /// Address and port for plain http, which leads to https. May be repeated. Default: port 80 of every
    /// address; `none` for nothing.
    #[arg(long, value_name = "[HOST:]PORT", conflicts_with = "plain_http")]
    pub(crate) redirect_from: Vec<String>,

    /// Directory in which an ACME client answers challenges over plain http.
    #[arg(long, value_name = "DIR")]
    pub(crate) acme_root: Option<PathBuf>,

    /// The nginx that will read the file. Default: what every nginx since 1.18 reads.
    #[arg(long, value_name = "VERSION")]
    pub(crate) nginx_version: Option<String>,

    /// Nobody creates, changes or removes users through nginx: 405. Whoever administers them asks the server
    /// itself.
    #[arg(long)]
    pub(crate) immutable_accounts: bool,

    /// Logins per minute and address that are passed on; 0 for any number.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) login_rate: u32,

    /// Who may read `/metrics` and `/+status`: address, network or `all`. May be repeated. Default: this machine.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) allow_status: Vec<String>,

    /// Keep project pages that everybody may read in this directory, for as long as the server is away.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,

    /// Authorities of client certificates: a caller may show one (see `--client-certificates`).
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Whether each caller must show a client certificate.
    #[arg(long, value_enum, default_value = "required", requires = "client_ca")]
    pub(crate) client_certificates: ClientCertificates,
}

/// Whether callers must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ClientCertificates {
    /// A caller without one is served too; a wrong one is refused.
    Optional,
    /// No caller without one is served.
    Required,
}

#[derive(Debug, Args)]
pub(crate) struct HaproxyArgs {
    /// Address of a server: `[https://]HOST:PORT` or `unix:/path`. May be repeated, for several nodes of one
    /// installation. Default: the first address that the server of these settings listens on.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) node: Vec<String>,

    /// Authorities of the nodes' certificates, which are looked at then: each node has one for the name of the
    /// site. For nodes with https://.
    #[arg(long, value_name = "FILE", requires = "node")]
    pub(crate) node_ca: Option<PathBuf>,

    /// Certificate with its chain and key in one file, or a directory of such. Default:
    /// /etc/haproxy/certs/NAME.pem
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,

    /// Name of the site. Default: the host of `server.outside_url`, else this machine's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,

    /// Address and port for TLS. Default: port 443 of every address.
    #[arg(long, value_name = "[HOST:]PORT")]
    pub(crate) listen: Vec<String>,

    /// Address and port for plain http, which leads to https. Default: port 80 of every address; `none` for nothing.
    #[arg(long, value_name = "[HOST:]PORT")]
    pub(crate) redirect_from: Vec<String>,

    /// Nobody creates, changes or removes users through haproxy: 405.
    #[arg(long)]
    pub(crate) immutable_accounts: bool,

    /// Logins per minute and address that are passed on; 0 for any number.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) login_rate: u32,

    /// Authorities of client certificates: a caller may show one (see `--client-certificates`).
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Whether each caller must show a client certificate.
    #[arg(long, value_enum, default_value = "required", requires = "client_ca")]
    pub(crate) client_certificates: ClientCertificates,

    /// Who may read `/metrics` and `/+status`: address, network or `all`. May be repeated. Default: this machine.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) allow_status: Vec<String>,
}
