//! Credentials of the service manager: `credential:NAME` in place of a path.

use std::path::PathBuf;

/// What a path begins with that names a credential of the service manager.
const CREDENTIAL: &str = "credential:";

/// Where the service manager puts the credentials of a service (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// What is done about credentials where no service manager has passed any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Credentials {
    /// They are problems: nothing can run without them.
    #[default]
    Needed,
    /// They are noted: somebody only looks at the settings.
    MayBeOutOfReach,
}

/// Why there is no path.
#[derive(Debug)]
pub(super) enum NoPath {
    /// The credential is only there for the service.
    OutOfReach(String),
    Wrong(String),
}

/// What the service manager has passed.
#[derive(Debug, Default)]
pub(super) struct Passed(Option<PathBuf>);

impl Passed {
    pub(super) fn to_this_process(variables: &[(String, String)]) -> Self {
        let folder = variables
            .iter()
            .find(|(name, value)| name == CREDENTIALS_DIRECTORY && !value.is_empty());
        Self(folder.map(|(_, value)| PathBuf::from(value)))
    }

    /// A path as it is written, or that of a credential.
    pub(super) fn path(&self, written: &str) -> Result<String, NoPath> {
        let Some(name) = written.strip_prefix(CREDENTIAL) else {
            return Ok(written.to_owned());
        };
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            let message = format!("`{name}` is no name of a credential");
            return Err(NoPath::Wrong(message));
        }
        let give = format!("the unit needs LoadCredential={name}:/path/of/the/file");
        let Some(folder) = &self.0 else {
            return Err(NoPath::OutOfReach(format!(
                "there are no credentials: the service manager sets ${CREDENTIALS_DIRECTORY}; {give}"
            )));
        };
        let path = folder.join(name);
        if !path.is_file() {
            let message = format!("there is no credential `{name}`; {give}");
            return Err(NoPath::Wrong(message));
        }
        Ok(path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::layers::{Sources, resolve};
    use super::*;

    fn messages(sources: &Sources, folder: &Path) -> Vec<String> {
        let folder = format!("{}/", folder.display());
        let (_, problems) = resolve(sources);
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }

    fn text_of(sources: &Sources, key: &str) -> String {
        let (resolved, _) = resolve(sources);
        format!("{:?}", resolved.get(key).unwrap().0)
    }

    #[test]
    fn a_credential_of_the_service_manager_is_as_good_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cheeseshop.toml");
        let text = "[database]\nurl_file = \"credential:database-url\"\n\
                    [mirror]\nca_bundle = \"credential:company-ca\"\n";
        std::fs::write(&path, text).unwrap();
        let credentials = folder.path().join("credentials");
        let sources = |variables: &[(&str, &Path)]| Sources {
            files: vec![path.clone()],
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.display().to_string()))
                .collect(),
            ..Sources::default()
        };
        assert_eq!(
            messages(&sources(&[]), folder.path()),
            [
                "cheeseshop.toml:2: `database.url_file`: there are no credentials: the service manager sets $CREDENTIALS_DIRECTORY; the unit needs LoadCredential=database-url:/path/of/the/file",
                "cheeseshop.toml:4: `mirror.ca_bundle`: there are no credentials: the service manager sets $CREDENTIALS_DIRECTORY; the unit needs LoadCredential=company-ca:/path/of/the/file",
            ]
        );
        std::fs::create_dir(&credentials).unwrap();
        std::fs::write(credentials.join("database-url"), "sqlite:/a/b.db\n").unwrap();
        let sources = sources(&[(CREDENTIALS_DIRECTORY, &credentials)]);
        assert_eq!(
            messages(&sources, folder.path()),
            [
                "cheeseshop.toml:4: `mirror.ca_bundle`: there is no credential `company-ca`; the unit needs LoadCredential=company-ca:/path/of/the/file"
            ]
        );
        std::fs::write(credentials.join("company-ca"), "").unwrap();
        assert_eq!(messages(&sources, folder.path()), [""; 0]);
        assert!(text_of(&sources, "database.url").contains("sqlite:/a/b.db\""));
        assert!(text_of(&sources, "mirror.ca_bundle").contains("credentials/company-ca"));

        std::fs::write(&path, "[tls]\nkey = [\"/a\", \"credential:company-ca\"]\n").unwrap();
        assert_eq!(messages(&sources, folder.path()), [""; 0]);
        assert!(text_of(&sources, "tls.key").contains("credentials/company-ca"));

        std::fs::write(&path, "[mirror]\nca_bundle = \"credential:../x\"\n").unwrap();
        assert_eq!(
            messages(&sources, folder.path()),
            ["cheeseshop.toml:2: `mirror.ca_bundle`: `../x` is no name of a credential"]
        );
    }
}
