//! What goes, and how it is told.

use cheeseshop_packaging::ProjectName;
use serde_json::{Value, json};
use url::Url;

use crate::clean::Held;
use crate::commands::{Output, Style};

/// A release that goes.
#[derive(Clone, Debug)]
pub(super) struct Doomed {
    pub(super) project: ProjectName,
    pub(super) release: Held,
    pub(super) fate: Fate,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was shown.
    Shown,
    /// It is gone.
    Removed,
    /// It is still there, for this reason.
    Failed(String),
}

/// What goes from an index.
#[derive(Clone, Debug)]
pub(super) struct IndexFindings {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) is_volatile: bool,
    pub(super) doomed: Vec<Doomed>,
}

/// What goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) indexes: Vec<IndexFindings>,
}

/// What stays because its index is not volatile.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) names: Vec<String>,
    pub(super) count: usize,
}

impl Doomed {
    fn name(&self) -> String {
        format!("{} {}", self.project.written(), self.release.version)
    }

    fn line(&self) -> String {
        let files = match self.release.files {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let uploaded = match self.release.uploaded {
            Some(time) => format!(", {}", time.strftime("%Y-%m-%d")),
            None => String::new(),
        };
        format!("  {} ({files}{uploaded})", self.name())
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "project": self.project.written(),
            "version": self.release.version.as_str(),
            "files": self.release.files,
            "uploaded": self.release.uploaded.map(|time| time.to_string()),
            "status": match self.fate {
                Fate::Shown => "would-remove",
                Fate::Removed => "removed",
                Fate::Failed(_) => "failed",
            },
        });
        if let Fate::Failed(reason) = &self.fate {
            document["reason"] = json!(reason);
        }
        document
    }
}

impl Findings {
    pub(super) fn count(&self) -> usize {
        self.indexes.iter().map(|index| index.doomed.len()).sum()
    }

    /// What stays without `--force`.
    pub(super) fn kept_by_force(&self, force: bool) -> Kept {
        let mut kept = Kept::default();
        for index in &self.indexes {
            if !force && !index.is_volatile && !index.doomed.is_empty() {
                kept.names.push(index.name.clone());
                kept.count += index.doomed.len();
            }
        }
        kept
    }

    pub(super) fn has_failed(&self) -> bool {
        self.all()
            .any(|doomed| matches!(doomed.fate, Fate::Failed(_)))
    }

    /// Shows what would go.
    pub(super) fn show(&self, output: &mut Output) {
        for index in &self.indexes {
            if index.doomed.is_empty() {
                continue;
            }
            output.line(&format!("{}:", index.name));
            for doomed in &index.doomed {
                output.line(&doomed.line());
            }
        }
        if self.count() == 0 {
            output.talk("there is nothing to remove");
        }
    }

    /// Tells what became of it.
    pub(super) fn tell(&self, output: &mut Output) {
        for index in &self.indexes {
            for doomed in &index.doomed {
                if let Fate::Failed(reason) = &doomed.fate {
                    let text = format!("failed {} of {}: {reason}", doomed.name(), index.name);
                    output.styled(Style::Red, &text);
                }
            }
        }
        let removed = self.all().filter(|doomed| doomed.fate == Fate::Removed);
        let failed = self
            .all()
            .filter(|doomed| matches!(doomed.fate, Fate::Failed(_)));
        output.talk(&format!(
            "{} removed, {} failed",
            removed.count(),
            failed.count()
        ));
    }

    pub(super) fn document(&self) -> Value {
        let index = |index: &IndexFindings| {
            json!({
                "index": index.name,
                "url": index.url.as_str(),
                "volatile": index.is_volatile,
                "releases": index.doomed.iter().map(Doomed::document).collect::<Vec<_>>(),
            })
        };
        json!({ "indexes": self.indexes.iter().map(index).collect::<Vec<_>>() })
    }

    fn all(&self) -> impl Iterator<Item = &Doomed> {
        self.indexes.iter().flat_map(|index| &index.doomed)
    }
}
