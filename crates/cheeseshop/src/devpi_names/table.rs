//! Every option of devpi's programs and what becomes of it here: the whole mapping at a glance.
//!
//! To change a row: the row, `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop commands_page`,
//! and a file in `changes/`.

use super::addresses;
use super::option::{DevpiOption, Meaning, Takes, Translate, Written, as_it_is};
use super::program::Program::{
    self, ClearSearchIndex, Export, Fsck, GenConfig, GenSecret, Import, Init, Passwd, Server,
};
use super::storage;

/// All programs.
const ALL: &[Program] = Program::ALL;
/// The server, and what writes the command line of a server.
const SERVER: &[Program] = &[Server, GenConfig];
/// Whoever opens a server directory.
const DATA: &[Program] = &[
    Server,
    GenConfig,
    Init,
    Passwd,
    Export,
    Import,
    Fsck,
    ClearSearchIndex,
];
/// Whoever may make a server directory, or run one.
const ROLE: &[Program] = &[Server, GenConfig, Init];
/// Whoever makes a server directory.
const INIT: &[Program] = &[Init, Import];
/// Whoever reads or writes the secret file.
const SECRET: &[Program] = &[Server, GenConfig, GenSecret];
/// Whoever knows the search index.
const SEARCH: &[Program] = &[Server, GenConfig, ClearSearchIndex];
/// Whoever moves data in or out.
const MOVING: &[Program] = &[Export, Import];
/// The consistency check alone.
const FSCK: &[Program] = &[Fsck];

const NO_REPLICAS: &str = "there are no replicas yet";
const TEMPLATES: &str = "the pages are our own; devpi-web's templates do not fit them";
const LOGIN_KEY: &str = "the key of logins is made at random and needs no stretching";

#[rustfmt::skip]
pub(super) const OPTIONS: &[DevpiOption] = &[
    // Where settings come from, and what is said.
    does("configfile", Takes::Text("CONFIGFILE"), ALL, "the YAML file to read; without it `devpi-server.yml` in `$XDG_CONFIG_HOME/devpi-server` or below `$XDG_CONFIG_DIRS`", "Config file to use"),
    sets("debug", Takes::Nothing, ALL, "log.filter", if_given_debug, "Log at debug level"),
    nothing("logger-cfg", Takes::Text("FILE"), ALL, "Python's logging is not ours; `log.filter` and `log.format` say what is logged and how", "Logging configuration of Python"),
    does("version", Takes::Nothing, SERVER, "prints the version of devpi-server that this is compatible with", "Show the version"),

    // Which data.
    sets("serverdir", Takes::Text("DIR"), DATA, "server.data_dir", as_it_is, "Directory of all data [~/.devpi/server]"),
    sets("storage", Takes::Text("NAME"), DATA, "database.url", storage::database_url, "`sqlite`, or `pg8000:host=…,port=…,database=…,user=…,password=…` [sqlite]"),
    nothing("keyfs-cache-size", Takes::Number("NUM"), DATA, "there is no key/value store; `cache.page_bytes` is the memory for pages", "Size of devpi's cache"),
    does("role", Takes::OneOf(&["master", "primary", "replica", "standalone", "auto"]), ROLE, "`replica` is refused, the others are what every server is", "Role of the server [auto]"),
    refused("primary-url", Takes::Text("URL"), ROLE, "this version cannot run as a replica", "several servers can share one PostgreSQL database and one S3 bucket instead (docs/manual/operations.md)", "URL of the primary of a replica"),
    refused("master-url", Takes::Text("URL"), ROLE, "this version cannot run as a replica", "several servers can share one PostgreSQL database and one S3 bucket instead (docs/manual/operations.md)", "Old name of --primary-url"),

    // Making a directory.
    does("no-root-pypi", Takes::Nothing, INIT, "no index root/pypi is made", "Do not make root/pypi"),
    does("root-passwd", Takes::Text("PASSWORD"), INIT, "the password of root", "Password of root [empty]"),
    does("root-passwd-hash", Takes::Text("HASH"), INIT, "the password of root as an argon2 hash in PHC form; anything else is refused", "Password of root, hashed"),

    // Listening.
    does("host", Takes::Text("HOST"), SERVER, "with `--port` it makes `server.listen`", "Name or address to listen on [localhost]"),
    does("port", Takes::Number("PORT"), SERVER, "with `--host` it makes `server.listen`; 0 takes a free one", "Port to listen on [3141]"),
    sets("listen", Takes::Many("HOST:PORT"), SERVER, "server.listen", addresses::listen, "Address to listen on, `*:3141` for all; may be repeated"),
    does("unix-socket", Takes::Text("PATH"), SERVER, "adds `unix:PATH` to `server.listen`, which has nothing else then unless `--host`, `--port` or `--listen` says so", "Unix socket to listen on"),
    sets("unix-socket-perms", Takes::Text("MODE"), SERVER, "server.socket_mode", as_it_is, "Mode of that socket [600]"),
    nothing("threads", Takes::Number("NUM"), SERVER, "no request holds a thread", "Number of threads"),
    sets("connection-limit", Takes::Number("NUM"), SERVER, "server.max_connections", as_it_is, "Connections open at once [4096]"),
    sets("max-request-body-size", Takes::Number("BYTES"), SERVER, "upload.max_file_bytes", as_it_is, "Largest file of an upload [1073741824]"),

    // Behind a proxy.
    sets("outside-url", Takes::Text("URL"), SERVER, "server.outside_url", unless_empty, "URL that users see"),
    sets("absolute-urls", Takes::Nothing, SERVER, "server.absolute_urls", as_it_is, "Absolute links on simple pages"),
    sets("trusted-proxy", Takes::Text("ADDRESS"), SERVER, "server.trusted_proxies", addresses::trusted_proxies, "Proxy whose headers are believed [loopback]"),
    nothing("trusted-proxy-count", Takes::Number("NUM"), SERVER, "`server.trusted_proxies` names every proxy of a chain", "Number of proxies in a chain"),
    nothing("trusted-proxy-headers", Takes::Text("NAMES"), SERVER, "all usual headers of a trusted proxy are understood", "Headers that are believed"),

    // What is served.
    nothing("enable-core-metadata", Takes::Nothing, SERVER, "core metadata is always served", "Serve core metadata"),
    sets("mirror-cache-expiry", Takes::Number("SECS"), SERVER, "mirror.cache_expiry", as_it_is, "Seconds for which an upstream's answer is fresh [1800]"),
    sets("request-timeout", Takes::Number("SECS"), SERVER, "mirror.request_timeout", as_it_is, "Seconds that an upstream may take [5]"),
    sets("offline-mode", Takes::Nothing, SERVER, "mirror.offline", as_it_is, "Ask no upstream"),

    // Who may.
    sets("restrict-modify", Takes::Text("SPEC"), SERVER, "auth.restrict_modify", as_it_is, "Who alone may create and change users and indexes"),
    nothing("autocreate-users", Takes::Nothing, SERVER, "nobody is known who has no user here", "Create users that a plugin knows"),
    does("secretfile", Takes::Text("PATH"), SECRET, "devpi-gen-secret writes it; the server checks it and has no use for it: the key of logins is kept in the database", "File of the server's secret"),
    hidden("argon2-memory-cost", SECRET, LOGIN_KEY),
    hidden("argon2-parallelism", SECRET, LOGIN_KEY),
    hidden("argon2-time-cost", SECRET, LOGIN_KEY),
    nothing("passwd", Takes::Text("USER"), SERVER, "devpi-passwd sets passwords", "Without effect since devpi-server 6"),

    // Processes and replicas.
    nothing("requests-only", Takes::Nothing, SERVER, "there is no event processing to leave out", "Answer requests only"),
    nothing("profile-requests", Takes::Number("NUM"), SERVER, "`/metrics` tells where time goes", "Profile requests"),
    nothing("replica-file-search-path", Takes::Text("PATH"), SERVER, NO_REPLICAS, "Where a replica looks for files"),
    nothing("hard-links", Takes::Nothing, SERVER, NO_REPLICAS, "Link files found there"),
    nothing("file-replication-threads", Takes::Number("NUM"), SERVER, NO_REPLICAS, "Threads of a replica that fetch files"),
    nothing("file-replication-skip-indexes", Takes::Text("INDEXES"), SERVER, NO_REPLICAS, "Indexes whose files a replica leaves out"),
    nothing("no-replica-streaming", Takes::Nothing, SERVER, NO_REPLICAS, "Do not stream changes to replicas"),
    nothing("proxy-timeout", Takes::Number("SECS"), SERVER, NO_REPLICAS, "Seconds that a primary may take"),

    // devpi-web.
    sets("theme", Takes::Text("PATH"), SERVER, "web.theme", unless_empty, "Folder with a theme; of one for devpi-web, its static/"),
    nothing("debug-macros", Takes::Nothing, SERVER, TEMPLATES, "Mark templates in pages"),
    nothing("documentation-path", Takes::Text("PATH"), SERVER, "documentation is served out of its archive", "Where documentation is unpacked"),
    nothing("keep-docs-packed", Takes::Nothing, SERVER, "documentation is never unpacked", "Serve documentation out of archives"),
    nothing("indexer-backend", Takes::Text("NAME"), SEARCH, "there is no search engine to choose", "Search engine"),

    // Moving in and out.
    does("include-mirrored-files", Takes::Nothing, &[Export], "also the files that mirrors hold are written", "Export the files of mirrors too"),
    does("hard-links", Takes::Nothing, MOVING, "files are shared where the file systems allow it, else copied", "Link files instead of copying them"),
    does("skip-import-type", Takes::Many("TYPE"), &[Import], "indexes of this type are left out", "Type of indexes to leave out; may be repeated"),
    nothing("no-events", Takes::Nothing, &[Import], "everything is done when the import ends", "Do not wait for events"),

    // The consistency check.
    does("checksum", Takes::Nothing, FSCK, "reads all bytes and compares digests, as without it", "Compare checksums (default)"),
    does("no-checksum", Takes::Nothing, FSCK, "looks only whether files are there and as long as they should be", "Do not compare checksums"),
];

const fn row(
    name: &'static str,
    takes: Takes,
    programs: &'static [Program],
    meaning: Meaning,
    help: &'static str,
) -> DevpiOption {
    DevpiOption {
        name,
        takes,
        programs,
        meaning,
        help,
        is_hidden: false,
    }
}

const fn sets(
    name: &'static str,
    takes: Takes,
    programs: &'static [Program],
    key: &'static str,
    translate: Translate,
    help: &'static str,
) -> DevpiOption {
    row(
        name,
        takes,
        programs,
        Meaning::Sets { key, translate },
        help,
    )
}

const fn does(
    name: &'static str,
    takes: Takes,
    programs: &'static [Program],
    what: &'static str,
    help: &'static str,
) -> DevpiOption {
    row(name, takes, programs, Meaning::Does(what), help)
}

const fn nothing(
    name: &'static str,
    takes: Takes,
    programs: &'static [Program],
    reason: &'static str,
    help: &'static str,
) -> DevpiOption {
    row(name, takes, programs, Meaning::Nothing(reason), help)
}

const fn refused(
    name: &'static str,
    takes: Takes,
    programs: &'static [Program],
    reason: &'static str,
    way_out: &'static str,
    help: &'static str,
) -> DevpiOption {
    row(
        name,
        takes,
        programs,
        Meaning::Refused { reason, way_out },
        help,
    )
}

const fn hidden(
    name: &'static str,
    programs: &'static [Program],
    reason: &'static str,
) -> DevpiOption {
    let mut option = row(
        name,
        Takes::Number("NUM"),
        programs,
        Meaning::Nothing(reason),
        "Cost of deriving keys from the secret",
    );
    option.is_hidden = true;
    option
}

#[expect(clippy::unnecessary_wraps, reason = "one of several translations")]
fn if_given_debug(written: &Written) -> Result<Option<String>, String> {
    Ok((written.text == "true").then(|| "debug".to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several translations")]
fn unless_empty(written: &Written) -> Result<Option<String>, String> {
    Ok(Some(written.text.clone()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_option_of_a_program_has_one_row() {
        for program in Program::ALL {
            let of_it = || OPTIONS.iter().filter(|option| option.is_of(*program));
            let names: BTreeSet<&str> = of_it().map(|option| option.name).collect();
            assert_eq!(names.len(), of_it().count(), "{}", program.name());
        }
        assert!(OPTIONS.iter().all(|option| !option.programs.is_empty()));
    }

    /// The options that devpi-server 6.20.3 with devpi-web lists in its help, and its hidden ones.
    const OF_DEVPI_SERVER: &str = "configfile role version passwd debug logger-cfg host port \
        listen unix-socket unix-socket-perms threads connection-limit trusted-proxy \
        trusted-proxy-count trusted-proxy-headers max-request-body-size outside-url \
        absolute-urls enable-core-metadata profile-requests mirror-cache-expiry primary-url \
        master-url replica-file-search-path hard-links file-replication-threads \
        file-replication-skip-indexes proxy-timeout no-replica-streaming request-timeout \
        offline-mode serverdir storage keyfs-cache-size secretfile requests-only \
        restrict-modify autocreate-users theme debug-macros documentation-path \
        keep-docs-packed indexer-backend argon2-memory-cost argon2-parallelism \
        argon2-time-cost";

    const OF_OTHERS: &[(Program, &str)] = &[
        (
            Init,
            "configfile debug logger-cfg role primary-url master-url serverdir storage \
             keyfs-cache-size no-root-pypi root-passwd root-passwd-hash",
        ),
        (
            Passwd,
            "configfile debug logger-cfg serverdir storage keyfs-cache-size",
        ),
        (
            GenSecret,
            "configfile debug logger-cfg secretfile argon2-memory-cost argon2-parallelism \
             argon2-time-cost",
        ),
        (
            Export,
            "configfile debug logger-cfg serverdir storage keyfs-cache-size \
             include-mirrored-files hard-links",
        ),
        (
            Import,
            "configfile debug logger-cfg serverdir storage keyfs-cache-size no-root-pypi \
             root-passwd root-passwd-hash skip-import-type no-events hard-links",
        ),
        (
            Fsck,
            "configfile debug logger-cfg serverdir storage keyfs-cache-size checksum no-checksum",
        ),
        (
            ClearSearchIndex,
            "configfile debug logger-cfg serverdir storage keyfs-cache-size indexer-backend",
        ),
    ];

    #[test]
    fn each_program_has_exactly_the_options_of_devpis() {
        let check = |program: Program, theirs: &str| {
            let theirs: BTreeSet<&str> = theirs.split_whitespace().collect();
            let ours: BTreeSet<&str> = OPTIONS
                .iter()
                .filter(|option| option.is_of(program))
                .map(|option| option.name)
                .collect();
            assert_eq!(ours, theirs, "{}", program.name());
        };
        check(Server, OF_DEVPI_SERVER);
        check(GenConfig, OF_DEVPI_SERVER);
        for (program, theirs) in OF_OTHERS {
            check(*program, theirs);
        }
    }
}
