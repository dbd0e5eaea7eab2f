//! What pip says that it would install.

use cheeseshop_packaging::{ProjectName, Version};
use serde::Deserialize;

/// A release that pip chose.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The project.
    pub(crate) project: ProjectName,
    /// Its version.
    pub(crate) version: Version,
    /// The address that a requirement names itself.
    pub(crate) address: Option<String>,
    /// Whether a line asks for it, not another project only.
    pub(crate) is_requested: bool,
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    download_info: Download,
    #[serde(default)]
    is_direct: bool,
    #[serde(default)]
    requested: bool,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Download {
    url: String,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

/// Reads the document of `pip install --report` (version 1).
///
/// # Errors
/// In one line, what is odd about it.
pub(crate) fn read_report(document: &[u8]) -> Result<Vec<Resolved>, String> {
    let report: Report = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let resolved = |item: Item| {
        Ok(Resolved {
            project: ProjectName::parse(&item.metadata.name).map_err(|error| error.to_string())?,
            version: Version::parse(&item.metadata.version).map_err(|error| error.to_string())?,
            address: item.is_direct.then_some(item.download_info.url),
            is_requested: item.requested,
        })
    };
    report.install.into_iter().map(resolved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_report_is_understood() {
        let report = serde_json::json!({
            "version": "1",
            "pip_version": "26.2",
            "install": [
                {
                    "download_info": {"url": "http://x.test/a-1.whl", "archive_info": {}},
                    "is_direct": false, "is_yanked": false, "requested": true,
                    "metadata": {"metadata_version": "2.1", "name": "A", "version": "1"},
                },
                {
                    "download_info": {"url": "file:///w/b", "dir_info": {}},
                    "is_direct": true, "requested": false,
                    "metadata": {"name": "b", "version": "2"},
                },
            ],
            "environment": {},
        });
        let resolved = read_report(report.to_string().as_bytes()).unwrap();
        assert_eq!(resolved.len(), 2);
        assert_eq!(resolved[0].project.normalized(), "a");
        assert!(resolved[0].is_requested && resolved[0].address.is_none());
        assert_eq!(resolved[1].version.as_str(), "2");
        assert_eq!(resolved[1].address.as_deref(), Some("file:///w/b"));
    }

    #[test]
    fn anything_else_is_not() {
        let bad_name =
            r#"{"install":[{"download_info":{"url":"x"},"metadata":{"name":"/","version":"1"}}]}"#;
        for text in ["", "{}", "[]", bad_name] {
            assert!(read_report(text.as_bytes()).is_err(), "{text}");
        }
    }
}
