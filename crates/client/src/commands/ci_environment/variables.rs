//! Which variables point the tools at an index.

use std::path::Path;

use url::{Host, Url};

use super::address::Address;
use super::setting::Setting;
use super::workspace::{KEPT, Workspace};
use crate::commands::connection::with_credentials;
use crate::{Credentials, Environment};

/// Caches of tools below the directory of the state.
const CACHES: &[(&str, &str)] = &[
    ("PIP_CACHE_DIR", "pip"),
    ("UV_CACHE_DIR", "uv"),
    ("PDM_CACHE_DIR", "pdm"),
    ("PDM_LOG_DIR", "pdm-log"),
    ("POETRY_CACHE_DIR", "poetry"),
    // tox and poetry make their environments with it.
    ("VIRTUALENV_OVERRIDE_APP_DATA", "virtualenv"),
];

/// The variables by which tools are told a bundle of certificates.
const CERTIFICATES: &[&str] = &[
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
];

/// Variables that add another index to the one that is asked for, or turn it off. With them a
/// project of that name from elsewhere could be installed.
const OTHER_INDEXES: &[&str] = &[
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_PUBLISH_INDEX",
    "TWINE_REPOSITORY",
];

/// Name and password in this order, for each tool that uploads.
const UPLOADERS: &[(&str, &str)] = &[
    ("TWINE_USERNAME", "TWINE_PASSWORD"),
    ("UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD"),
    ("FLIT_USERNAME", "FLIT_PASSWORD"),
    ("PDM_PUBLISH_USERNAME", "PDM_PUBLISH_PASSWORD"),
    (
        "POETRY_HTTP_BASIC_CHEESESHOP_USERNAME",
        "POETRY_HTTP_BASIC_CHEESESHOP_PASSWORD",
    ),
];

/// What the tools are to be told.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) address: &'a Address,
    pub(super) workspace: &'a Workspace,
    /// Who is logged in.
    pub(super) user: Option<&'a str>,
    /// Whose credentials stand in the URLs of the index.
    pub(super) install_as: Option<&'a Credentials>,
    /// Whose credentials tools are given to upload with.
    pub(super) upload_as: Option<&'a Credentials>,
    pub(super) ca_bundle: Option<&'a Path>,
    pub(super) caches: Caches,
}

/// Where tools keep what they have downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caches {
    /// Below the directory of the state.
    InWorkspace,
    /// Where they are.
    Untouched,
}

impl Plan<'_> {
    /// The variables, in the order in which they are shown.
    pub(super) fn settings(&self, environment: &Environment) -> Vec<Setting> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let state = self.workspace.state();
        let index = self.address.index_url();
        let mut settings = Vec::new();
        if self.workspace.is_temporary() {
            settings.push(Setting::text(KEPT, path(&self.workspace.path)));
        }
        settings.push(Setting::text("DEVPI_CLIENTDIR", path(&state)));
        settings.push(Setting::text(
            "DEVPI_INDEX",
            index.as_str().trim_end_matches('/'),
        ));
        settings.extend(self.user.map(|user| Setting::text("DEVPI_USER", user)));
        settings.push(self.installing("PIP_INDEX_URL"));
        settings.extend(
            host_without_certificate(&index).map(|host| Setting::text("PIP_TRUSTED_HOST", host)),
        );
        settings.push(self.installing("UV_DEFAULT_INDEX"));
        // The older name of the same.
        settings.push(self.installing("UV_INDEX_URL"));
        settings.push(self.installing("PDM_PYPI_URL"));
        // Read by the plugin poetry-plugin-pypi-mirror; poetry itself only knows sources of a project.
        settings.push(self.installing("POETRY_PYPI_MIRROR_URL"));
        for name in [
            "UV_PUBLISH_URL",
            "TWINE_REPOSITORY_URL",
            "FLIT_INDEX_URL",
            "PDM_PUBLISH_REPO",
            "POETRY_REPOSITORIES_CHEESESHOP_URL",
        ] {
            settings.push(Setting::text(name, index.as_str()));
        }
        if let Some(credentials) = self.upload_as {
            for (user, password) in UPLOADERS {
                settings.push(Setting::text(user, credentials.user.as_str()));
                settings.push(Setting::secret(password, credentials.secret()));
            }
        }
        if let Some(bundle) = self.ca_bundle {
            settings.extend(
                CERTIFICATES
                    .iter()
                    .map(|name| Setting::text(name, path(bundle))),
            );
        }
        if self.caches == Caches::InWorkspace {
            let cache = state.join("cache");
            settings.extend(
                CACHES
                    .iter()
                    .filter(|(name, folder)| {
                        environment.get(name).is_none_or(|at| is_ours(at, folder))
                    })
                    .map(|(name, folder)| Setting::text(name, path(&cache.join(folder)))),
            );
        }
        settings.extend(
            OTHER_INDEXES
                .iter()
                .filter(|name| environment.get(name).is_some())
                .map(|name| Setting::unset(name)),
        );
        settings
    }

    /// The URL of the index for installers.
    fn installing(&self, name: &'static str) -> Setting {
        let url = self.address.simple_url();
        match self.install_as {
            None => Setting::text(name, url),
            Some(credentials) => Setting::secret(name, with_credentials(url, credentials)),
        }
    }
}

/// Whether a cache is where an earlier run for another workspace has put it.
fn is_ours(value: &str, folder: &str) -> bool {
    value.ends_with(&format!("/.devpi/cache/{folder}"))
}

/// The host of a plain http URL as pip wants to be told it: pip leaves such an index out otherwise,
/// unless it is this machine. There is no certificate that this would leave unchecked.
pub(super) fn host_without_certificate(url: &Url) -> Option<String> {
    let is_loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    if url.scheme() != "http" || is_loopback {
        return None;
    }
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use cheeseshop_domain::IndexName;

    use super::*;

    fn address(root: &str) -> Address {
        Address {
            root: root.parse().unwrap(),
            basic: None,
            named_by: "--server".to_owned(),
            index: IndexName::parse("shared/stable").unwrap(),
        }
    }

    fn workspace() -> Workspace {
        Workspace {
            path: "/ws".into(),
            named_by: Some("WORKSPACE"),
        }
    }

    fn plan<'a>(address: &'a Address, workspace: &'a Workspace) -> Plan<'a> {
        Plan {
            address,
            workspace,
            user: None,
            install_as: None,
            upload_as: None,
            ca_bundle: None,
            caches: Caches::InWorkspace,
        }
    }

    fn shown(settings: &[Setting]) -> Vec<String> {
        settings
            .iter()
            .map(|setting| {
                format!(
                    "{}={}",
                    setting.name,
                    setting.exposed().unwrap_or("(unset)")
                )
            })
            .collect()
    }

    #[test]
    fn every_tool_is_pointed_at_the_index() {
        let (address, workspace) = (address("https://shop.test/devpi/"), workspace());
        let environment = Environment::of(&[], Path::new("/"));
        assert_eq!(
            shown(&plan(&address, &workspace).settings(&environment)),
            [
                "DEVPI_CLIENTDIR=/ws/.devpi",
                "DEVPI_INDEX=https://shop.test/devpi/shared/stable",
                "PIP_INDEX_URL=https://shop.test/devpi/shared/stable/+simple/",
                "UV_DEFAULT_INDEX=https://shop.test/devpi/shared/stable/+simple/",
                "UV_INDEX_URL=https://shop.test/devpi/shared/stable/+simple/",
                "PDM_PYPI_URL=https://shop.test/devpi/shared/stable/+simple/",
                "POETRY_PYPI_MIRROR_URL=https://shop.test/devpi/shared/stable/+simple/",
                "UV_PUBLISH_URL=https://shop.test/devpi/shared/stable/",
                "TWINE_REPOSITORY_URL=https://shop.test/devpi/shared/stable/",
                "FLIT_INDEX_URL=https://shop.test/devpi/shared/stable/",
                "PDM_PUBLISH_REPO=https://shop.test/devpi/shared/stable/",
                "POETRY_REPOSITORIES_CHEESESHOP_URL=https://shop.test/devpi/shared/stable/",
                "PIP_CACHE_DIR=/ws/.devpi/cache/pip",
                "UV_CACHE_DIR=/ws/.devpi/cache/uv",
                "PDM_CACHE_DIR=/ws/.devpi/cache/pdm",
                "PDM_LOG_DIR=/ws/.devpi/cache/pdm-log",
                "POETRY_CACHE_DIR=/ws/.devpi/cache/poetry",
                "VIRTUALENV_OVERRIDE_APP_DATA=/ws/.devpi/cache/virtualenv",
            ]
        );
    }

    #[test]
    fn other_indexes_of_the_environment_go_away_and_chosen_caches_stay() {
        let (address, workspace) = (address("https://shop.test/"), workspace());
        let environment = Environment::of(
            &[
                ("PIP_EXTRA_INDEX_URL", "https://elsewhere.test/simple"),
                ("UV_INDEX", ""),
                ("PIP_CACHE_DIR", "/fast/disk"),
                ("UV_CACHE_DIR", "/ws@2/.devpi/cache/uv"),
            ],
            Path::new("/"),
        );
        let shown = shown(&plan(&address, &workspace).settings(&environment));
        let has = |line: &str| shown.iter().any(|shown| shown.starts_with(line));
        assert!(has("PIP_EXTRA_INDEX_URL=(unset)"), "{shown:?}");
        assert!(!has("UV_INDEX="), "{shown:?}");
        assert!(!has("PIP_CACHE_DIR="), "{shown:?}");
        assert!(has("UV_CACHE_DIR=/ws/.devpi/cache/uv"), "{shown:?}");
    }

    #[test]
    fn credentials_are_secrets_wherever_they_stand() {
        let (address, workspace) = (address("https://shop.test/"), workspace());
        let bob = Credentials::new("bob", "p@ss");
        let plan = Plan {
            install_as: Some(&bob),
            upload_as: Some(&bob),
            user: Some("bob"),
            ..plan(&address, &workspace)
        };
        let settings = plan.settings(&Environment::default());
        for setting in &settings {
            let value = setting.exposed().unwrap_or_default();
            let holds = value.contains("p@ss") || value.contains("p%40ss");
            assert_eq!(holds, setting.is_secret(), "{}", setting.name);
        }
        assert!(!format!("{settings:?}").contains("p@ss"));
        let pip = settings
            .iter()
            .find(|setting| setting.name == "PIP_INDEX_URL")
            .unwrap();
        assert_eq!(
            pip.exposed().unwrap(),
            "https://bob:p%40ss@shop.test/shared/stable/+simple/"
        );
    }

    #[test]
    fn pip_is_told_of_hosts_without_a_certificate() {
        for (url, host) in [
            ("http://shop.test/", Some("shop.test")),
            ("http://shop.test:8080/", Some("shop.test:8080")),
            ("https://shop.test/", None),
            ("http://localhost:3141/", None),
            ("http://127.0.0.2:3141/", None),
            ("http://[::1]:3141/", None),
        ] {
            assert_eq!(
                host_without_certificate(&url.parse().unwrap()).as_deref(),
                host
            );
        }
    }

    #[test]
    fn a_bundle_is_told_to_all() {
        let (address, workspace) = (address("https://shop.test/"), workspace());
        let plan = Plan {
            ca_bundle: Some(Path::new("/certs/all.pem")),
            ..plan(&address, &workspace)
        };
        let shown = shown(&plan.settings(&Environment::default()));
        for name in CERTIFICATES {
            assert!(
                shown.contains(&format!("{name}=/certs/all.pem")),
                "{shown:?}"
            );
        }
    }
}
