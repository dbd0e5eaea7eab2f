//! Every setting of the product: one entry each.
//!
//! To add a setting: the field with its default in the section struct beside its reader, one entry
//! here, `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop settings_page`, and a file in
//! `changes/`. Tests in `sections.rs` fail when the two disagree.

use super::value::Kind;

/// The formats of log lines.
const LOG_FORMATS: &[&str] = &["text", "json"];

/// The kinds of blob stores.
const BLOB_KINDS: &[&str] = &["local", "s3"];

/// The versions of TLS that may be the oldest.
const TLS_VERSIONS: &[&str] = &["1.2", "1.3"];

/// What plain addresses do beside those with TLS.
const PLAIN_HTTP: &[&str] = &["redirect", "read-only", "serve"];

/// Whether clients show certificates.
const CLIENT_CERTIFICATES: &[&str] = &["none", "optional", "required"];

/// What becomes of certificates when the list of revoked ones is out of date.
const REVOKED_EXPIRED: &[&str] = &["refuse", "accept"];

/// What of a client's certificate names the user.
const CLIENT_USER: &[&str] = &["none", "common_name", "email", "dns"];

/// Where a made-up password of `root` is printed.
const PRINT_ROOT_PASSWORD: &[&str] = &["terminal", "always", "never"];

/// More connections than a process can have, and so no limit.
const MANY: u64 = 1_000_000;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Section and name, as in `server.listen`.
    pub(crate) key: &'static str,
    /// What it may be.
    pub(crate) kind: Kind,
    /// The default as it would be written; empty for none.
    pub(crate) default: &'static str,
    /// What it does, for the operator.
    pub(crate) meaning: &'static str,
    /// How much of it may be printed.
    pub(crate) shown: Shown,
    /// The field of the section struct, where it has another name.
    pub(crate) field: Option<&'static str>,
    /// Who reads it.
    pub(crate) reader: Reader,
    /// The file is looked for when it is needed, so that it may be away later, or out of reach for others.
    pub(crate) is_late: bool,
}

/// How much of a value may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of it.
    Open,
    /// All but the password of a URL.
    WithoutPassword,
    /// Nothing.
    Hidden,
}

/// Where the section struct lives that a setting goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The binary itself.
    Binary,
    /// The crate that the section belongs to.
    Crate,
}

impl Setting {
    const fn new(
        key: &'static str,
        kind: Kind,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            key,
            kind,
            default,
            meaning,
            shown: Shown::Open,
            field: None,
            reader: Reader::Crate,
            is_late: false,
        }
    }

    const fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// The reader's field has the unit in its name; here the value has it.
    const fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    const fn here(mut self) -> Self {
        self.reader = Reader::Binary;
        self
    }

    /// A path that [`super::Config::late_path`] gives, and nothing before.
    const fn late(mut self) -> Self {
        self.is_late = true;
        self
    }
}

/// The sections in the order of the reference, with what they are about.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    (
        "server",
        "Where the server listens and how it presents itself.",
    ),
    (
        "tls",
        "TLS in the server itself, for addresses that begin with `https://`: see docs/manual/tls.md. Everything here is read again on SIGHUP, and the files when they change.",
    ),
    (
        "database",
        "Where users, indexes, projects and the log of changes are kept.",
    ),
    ("blobs", "Where the bytes of files are kept."),
    (
        "mirror",
        "How upstreams are asked, for all mirrors. What differs from mirror to mirror is configuration of the index (`mirror_url` and its siblings).",
    ),
    (
        "push",
        "Pushes to other servers (`devpi push NAME==VERSION pypi:REPOSITORY`). Proxy, authorities, and how long a connection may take to be made (`request_timeout`) are those of `[mirror]`.",
    ),
    (
        "trigger",
        "Calls to other servers after an upload (`uploadtrigger_jenkins` of an index). Proxy, authorities, and how long a connection may take to be made (`request_timeout`) are those of `[mirror]`.",
    ),
    ("auth", "How callers prove who they are."),
    (
        "auth.argon2",
        "The cost of one password hash. The defaults are devpi's, so that its hashes stay valid as they are.",
    ),
    ("auth.throttle", "How guessing is slowed down."),
    ("upload", "What an upload may cost."),
    (
        "web",
        "How the pages for people look: see docs/manual/web-pages.md. Everything here is read again on SIGHUP.",
    ),
    (
        "backup",
        "Where `cheeseshop backup` puts backups, and which it keeps.",
    ),
    ("cache", "How much memory hot pages may take."),
    ("log", "Log lines; they go to standard error."),
];

/// Every setting, by section.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new("server.listen", Kind::List, "127.0.0.1:3141", "Addresses to listen on: `HOST:PORT`, where port 0 takes a free one, `https://HOST:PORT` for TLS (see `[tls]`), or `unix:/path` for a socket of the file system. Not used when a service manager passes sockets.").here(),
    Setting::new("server.socket_mode", Kind::Text, "600", "The mode of such sockets, in octal digits. Whoever may open one counts as a trusted proxy on this machine.").here(),
    Setting::new("server.data_dir", Kind::Path, "", "Directory of the embedded database, of local blobs and of the lock. Default: that of the service manager (`$STATE_DIRECTORY`), else `$XDG_DATA_HOME/cheeseshop`, else `~/.local/share/cheeseshop`.").here(),
    Setting::new("server.max_connections", Kind::Number(1, MANY), "4096", "Connections open at once; more wait until one ends. The last eighth is for addresses (IPv6: networks of 64 bits) that have no more than a quarter, and for trusted proxies.").here(),
    Setting::new("server.header_read_timeout", Kind::Duration, "75s", "How long the head of a request may take, and a kept connection may idle; from 1s to 1h.").here(),
    Setting::new("server.write_timeout", Kind::Duration, "60s", "How long a client may take nothing at all of its answer before its connection is ended; from 1s to 1h. Whoever has just taken much has more time to read it; whoever waits for an answer is not meant. See docs/manual/operations.md.").here(),
    Setting::new("server.stop_grace", Kind::Duration, "60s", "How long running requests may go on after SIGTERM or SIGINT. A second signal ends them at once.").here(),
    Setting::new("server.outside_url", Kind::Url, "", "The URL that users see, when it is not the one that requests name; with a path when the server is mounted below one."),
    Setting::new("server.trusted_proxies", Kind::List, "127.0.0.0/8, ::1/128", "Addresses and networks whose `X-Outside-Url`, `Forwarded`, `X-Forwarded-*` and `X-Real-IP` are believed. Where those about the client contradict each other, none is, and the proxy itself counts as the client: let it remove those that it does not set."),
    Setting::new("server.accel_location", Kind::Text, "", "Where nginx in front has the local blobs under an `internal` location, for example `/+blobs/`: nginx then sends files itself (`X-Accel-Redirect`) once the server has allowed it. Only for requests of trusted proxies that ask for it; see docs/manual/nginx.md."),
    Setting::new("server.absolute_urls", Kind::Flag, "false", "Whether links of simple pages are absolute."),
    Setting::new("server.max_json_bytes", Kind::Size, "1 MiB", "The largest JSON body of a request."),
    Setting::new("server.body_idle_timeout", Kind::Duration, "60s", "How long a request's body may pause before the request is given up. What comes in crumbs, of less than 1 KiB together in that time, counts as a pause.").field("body_idle_seconds"),
    Setting::new("server.drain_timeout", Kind::Duration, "60s", "How long the rest of a refused body is read, so that clients that send before they listen see the answer.").field("drain_seconds"),

    Setting::new("tls.certificate", Kind::Paths, "", "PEM file with the server's certificate and the chain behind it. Several files: the client gets the certificate for the name that it asks for, else the first."),
    Setting::new("tls.key", Kind::Paths, "", "PEM file with its private key, one for each certificate in the same order. Default: the key is in the file of the certificate."),
    Setting::new("tls.minimum_version", Kind::Choice(TLS_VERSIONS), "1.2", "The oldest version of TLS that is spoken."),
    Setting::new("tls.handshake_timeout", Kind::Duration, "10s", "How long a client may take until the handshake is done.").field("handshake_timeout_seconds"),
    Setting::new("tls.plain_http", Kind::Choice(PLAIN_HTTP), "redirect", "What addresses without TLS do when there is one with it. `redirect`: GET and HEAD are sent to `https`; `read-only`: they are answered; either way credentials and changes are refused. `serve`: everything as over TLS. Health checks, sockets of the file system, and what a trusted proxy has received over TLS are always served."),
    Setting::new("tls.hsts", Kind::Duration, "0", "For how long browsers are told to insist on TLS (`Strict-Transport-Security`). 0: they are not told.").field("hsts_seconds"),
    Setting::new("tls.client_certificates", Kind::Choice(CLIENT_CERTIFICATES), "none", "Whether clients are asked for a certificate, and whether they may do without."),
    Setting::new("tls.client_ca", Kind::Path, "", "PEM file of the authorities whose certificates clients may show."),
    Setting::new("tls.client_revoked", Kind::Path, "", "PEM file of lists of revoked certificates (CRL), one of each authority that issues them to clients."),
    Setting::new("tls.client_revoked_expired", Kind::Choice(REVOKED_EXPIRED), "refuse", "What becomes of clients' certificates when the list of their issuer is out of date: `refuse` lets none of them in; `accept` goes on as if nothing had been revoked since."),
    Setting::new("tls.client_user", Kind::Choice(CLIENT_USER), "none", "What of a client's certificate is the name of the user that it stands for. `none`: users log in as ever."),

    Setting::new("tls.watch_interval", Kind::Duration, "60s", "How often the server looks whether the files of this section have changed, and reads them again if so; at most 1d. 0: on SIGHUP only.").field("watch_interval_seconds"),

    Setting::new("database.url", Kind::Text, "", "`sqlite:///absolute/path.db` or `postgres://user:password@host/name`. Default: `cheeseshop.db` in the data directory.").shown(Shown::WithoutPassword),
    Setting::new("database.migrate", Kind::Flag, "true", "Bring the schema up to date at start. When off, pending migrations stop the start."),
    Setting::new("database.backup_before_migration", Kind::Flag, "true", "Copy the embedded database into `backups` beside it before its schema is changed; the last three stay. When the copy cannot be made, nothing is changed and the start fails."),
    Setting::new("database.max_readers", Kind::Number(1, 1000), "8", "Connections for readers."),
    Setting::new("database.connect_timeout", Kind::Duration, "5s", "How long to wait for a connection to PostgreSQL, and for a free reader.").field("connect_timeout_seconds"),
    Setting::new("database.queue_length", Kind::Number(1, MANY), "1024", "Write operations that may wait before callers are held back."),
    Setting::new("database.queue_timeout", Kind::Duration, "30s", "How long a caller is held back by a full queue before it is told that the server is busy.").field("queue_timeout_seconds"),

    Setting::new("blobs.kind", Kind::Choice(BLOB_KINDS), "local", "A directory, or a bucket of an S3-compatible store.").here(),
    Setting::new("blobs.path", Kind::Path, "", "`local`: the directory. Default: `blobs` in the data directory."),
    Setting::new("blobs.bucket", Kind::Text, "", "`s3`: the bucket; it must exist."),
    Setting::new("blobs.endpoint", Kind::Url, "", "`s3`: the URL of the store, without the bucket. Default: the one of `region`."),
    Setting::new("blobs.region", Kind::Text, "", "`s3`: the region that requests are signed for. Default: `us-east-1`."),
    Setting::new("blobs.access_key", Kind::Text, "", "`s3`: the access key; needed unless `blobs.machine_role` is set."),
    Setting::new("blobs.machine_role", Kind::Flag, "", "`s3`: use the machine's role (web identity, container or instance credentials) in place of a key. Default: `false`, and no metadata address is asked."),
    Setting::new("blobs.secret_key", Kind::Text, "", "`s3`: the secret key.").shown(Shown::Hidden),
    Setting::new("blobs.prefix", Kind::Text, "", "`s3`: put in front of every key."),
    Setting::new("blobs.allow_http", Kind::Flag, "", "`s3`: permit an endpoint without TLS. Default: `false`."),
    Setting::new("blobs.virtual_hosted", Kind::Flag, "", "`s3`: the bucket is part of the host name and not of the path. Default: `false`."),
    Setting::new("blobs.ca_file", Kind::Path, "", "`s3`: PEM file of certificate authorities to trust beside the system's."),
    Setting::new("blobs.spool_dir", Kind::Path, "", "`s3`: directory in which uploads are collected. Default: `spool` in the data directory."),
    Setting::new("blobs.connect_timeout", Kind::Duration, "", "`s3`: how long a connection may take. Default: `5s`.").field("connect_timeout_seconds"),
    Setting::new("blobs.read_timeout", Kind::Duration, "", "`s3`: how long the store may be silent. Default: `20s`.").field("read_timeout_seconds"),
    Setting::new("blobs.retries", Kind::Number(0, 100), "", "`s3`: how often a failed request is repeated. Default: `3`."),
    Setting::new("blobs.verify_uploads", Kind::Flag, "", "`s3`: read every blob back and compare its digest before an upload is acknowledged. Default: `true`."),

    Setting::new("mirror.root_pypi_url", Kind::Url, "", "The upstream that the first start gives to `root/pypi`: a Simple API index. Default: the index of the user's pip or uv configuration, else PyPI.").shown(Shown::WithoutPassword).here(),
    Setting::new("mirror.offline", Kind::Flag, "false", "Ask no upstream for anything; listings show the files that are held."),
    Setting::new("mirror.request_timeout", Kind::Duration, "5s", "How long an upstream may take to the first byte, and pause between bytes. A client waits this long for a page; the fetch goes on in the background."),
    Setting::new("mirror.list_timeout", Kind::Duration, "30s", "How long a project page or the list of all projects may take as a whole."),
    Setting::new("mirror.cache_expiry", Kind::Duration, "30m", "How long an upstream's answer counts as fresh, where the index does not say (`mirror_cache_expiry`)."),
    Setting::new("mirror.ca_bundle", Kind::Path, "", "PEM file of the certificate authorities to trust for upstreams, in place of the system's."),
    Setting::new("mirror.proxy", Kind::Text, "environment", "The HTTP or SOCKS proxy to use: a URL, `none`, or `environment`, which reads `HTTPS_PROXY`, `NO_PROXY` and their siblings.").shown(Shown::WithoutPassword),
    Setting::new("mirror.max_listing_bytes", Kind::Size, "64 MiB", "The largest project page of an upstream."),
    Setting::new("mirror.max_project_list_bytes", Kind::Size, "256 MiB", "The largest list of all projects of an upstream."),
    Setting::new("mirror.max_file_bytes", Kind::Size, "16 GiB", "The largest file of an upstream."),
    Setting::new("mirror.max_core_metadata_bytes", Kind::Size, "8 MiB", "The largest core metadata document of an upstream."),
    Setting::new("mirror.max_concurrent_flights", Kind::Number(1, MANY), "64", "Requests of each kind (pages, files, core metadata) that go to upstreams at the same time. Sixteen times as many may wait."),
    Setting::new("mirror.memory_bytes", Kind::Size, "64 MiB", "Memory for project pages of upstreams."),
    Setting::new("mirror.user_agent", Kind::Text, "", "The `User-Agent` sent upstream. Default: `cheeseshop/VERSION`."),

    Setting::new("push.allowed_hosts", Kind::List, "*", "The servers that releases may be pushed to: `HOST`, `*.DOMAIN`, `*` for any, each with `:PORT` if need be. Whoever may read a release and has logged in can push it there; empty forbids it."),
    Setting::new("push.timeout", Kind::Duration, "2m", "How long the other server may neither take nor send anything."),
    Setting::new("push.concurrent", Kind::Number(1, 1000), "8", "Pushes to other servers at once; more are told that the server is busy."),

    Setting::new("trigger.allowed_hosts", Kind::List, "*", "The servers that may be called, written as for `push.allowed_hosts`. Whoever may change an index names the address."),
    Setting::new("trigger.timeout", Kind::Duration, "10s", "How long a call may take; the upload waits for it."),
    Setting::new("trigger.concurrent", Kind::Number(1, MANY), "32", "Calls at once; what is more is not called, and the uploader is told."),

    Setting::new("auth.root_password_file", Kind::Path, "", "File with the password that the first start gives to `root`: one line, 8 to 1024 bytes. It is read then and never again, so it may go, or change, afterwards. Default: a password is made up.").here().late(),
    Setting::new("auth.print_root_password", Kind::Choice(PRINT_ROOT_PASSWORD), "terminal", "Where a made-up password is printed: on a `terminal` only, `always` (a script that reads the output) or `never`. Otherwise it goes to the file `root-password` in the data directory, for its owner's eyes, until `root` has another.").here(),
    Setting::new("auth.self_registration", Kind::Flag, "false", "Whether anybody may create a user, as with devpi-server."),
    Setting::new("auth.restrict_modify", Kind::Text, "", "Who alone may create and change users and indexes: names and `:group` items, parted by commas."),
    Setting::new("auth.allow_empty_password", Kind::Flag, "false", "Whether a user may have the empty password, as with devpi-server."),
    Setting::new("auth.login_required", Kind::Flag, "false", "Whether nobody reads anything without logging in, whatever `acl_read` of an index says. What clients need to log in, and the health checks, stay open."),
    Setting::new("auth.tokens_per_user", Kind::Number(0, MANY), "100", "How many tokens a user may have. Those that have expired do not count."),
    Setting::new("auth.login_lifetime", Kind::Duration, "10h", "How long a login is valid.").field("login_lifetime_seconds"),
    Setting::new("auth.concurrent_hashes", Kind::Number(1, 1000), "2", "Password hashes computed at once; each takes `auth.argon2.memory_kib` of memory."),
    Setting::new("auth.remember", Kind::Duration, "5m", "How long a verified password is remembered, so that sending it with every request costs nothing. 0: not at all.").field("remember_seconds"),
    Setting::new("auth.remember_entries", Kind::Number(0, MANY), "10000", "How many verified passwords are remembered at most."),
    Setting::new("auth.argon2.memory_kib", Kind::Number(8, 4_194_304), "65536", "Memory of one hash in KiB."),
    Setting::new("auth.argon2.iterations", Kind::Number(1, 1000), "3", "Passes over that memory."),
    Setting::new("auth.argon2.parallelism", Kind::Number(1, 255), "4", "Lanes."),
    Setting::new("auth.throttle.failures_per_user", Kind::Number(0, MANY), "5", "Failures of one user from one address before the first wait. 0 switches throttling off."),
    Setting::new("auth.throttle.failures_per_address", Kind::Number(0, MANY), "50", "Failures from one address, whatever the user, before the first wait."),
    Setting::new("auth.throttle.first_wait", Kind::Duration, "1s", "The first wait; it doubles with every further failure.").field("first_wait_seconds"),
    Setting::new("auth.throttle.longest_wait", Kind::Duration, "5m", "The longest wait.").field("longest_wait_seconds"),
    Setting::new("auth.throttle.forget", Kind::Duration, "15m", "Failures are forgotten after so long a quiet time.").field("forget_seconds"),
    Setting::new("auth.throttle.entries", Kind::Number(1, MANY), "20000", "Pairs of user and address, and addresses, remembered at most."),

    Setting::new("upload.max_file_bytes", Kind::Size, "1 GiB", "The largest file."),
    Setting::new("upload.max_form_bytes", Kind::Size, "8 MiB", "All form fields together, without the file."),
    Setting::new("upload.verify_archives", Kind::Flag, "true", "Whether wheels and sdists are looked into: entries, RECORD, metadata."),
    Setting::new("upload.concurrent_inspections", Kind::Number(1, 1000), "4", "Archives looked into at once."),
    Setting::new("upload.max_documentation_entries", Kind::Number(1, MANY), "100000", "Files and folders in an archive of documentation."),
    Setting::new("upload.max_documentation_bytes", Kind::Size, "2 GiB", "All files of an archive of documentation together, unpacked. It is unpacked once, into nowhere, when it is uploaded."),
    Setting::new("upload.max_test_result_bytes", Kind::Size, "32 MiB", "The largest test result."),
    Setting::new("upload.max_test_results_per_file", Kind::Number(0, MANY), "1000", "How many test results a file may have."),

    Setting::new("web.theme", Kind::Path, "", "Directory of a theme: `theme.css`, `logo.svg`, `favicon.svg` and what the style sheet names. One that breaks a rule stops the start; at a reload the theme from before stays."),
    Setting::new("web.title", Kind::Text, "Cheeseshop", "The name of the site."),
    Setting::new("web.footer", Kind::Text, "", "A line at the end of every page."),
    Setting::new("web.links", Kind::List, "", "Links at the end of every page, each as `LABEL URL`: `Help desk https://help.example/`."),

    Setting::new("backup.directory", Kind::Path, "", "The directory for backups, where the command names none. Best on another disk.").here(),
    Setting::new("backup.keep", Kind::Number(1, MANY), "", "So many of the newest backups stay when another is made. Without this and the next all stay.").here(),
    Setting::new("backup.keep_days", Kind::Number(1, 36_500), "", "Backups that are not older than so many days stay.").here(),

    Setting::new("cache.page_bytes", Kind::Size, "128 MiB", "Memory for rendered pages, all encodings together."),

    Setting::new("log.filter", Kind::Text, "info", "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or targets with levels: `warn,cheeseshop_app=debug`.").here(),
    Setting::new("log.format", Kind::Choice(LOG_FORMATS), "text", "`text` for people and journals, `json` for collectors.").here(),
];
