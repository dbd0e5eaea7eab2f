//! The fake PyPI behind all mirrors, and the wheels that are uploaded.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use cheeseshop_test_support::{BuiltFile, Fault, Upstream, UpstreamFile, Wheel, noise};

use crate::plan::Plan;

/// The project with few files.
pub(crate) const TEN: &str = "ten";
/// Its number of files.
pub(crate) const TEN_FILES: usize = 10;
/// The project with thousands of files. The last of the upstream's projects by name: its files
/// are looked at last when the upstream searches for another.
pub(crate) const WIDE: &str = "wide";
/// The project with the medium file.
pub(crate) const MEDIUM: &str = "medium";
/// The project with the large file.
pub(crate) const LARGE: &str = "large";

/// Bytes of a file that is fetched cold.
const COLD_BYTES: usize = 1_000_000;

/// Everything upstream.
pub(crate) struct World {
    /// What the mirror `root/pypi` of every server asks.
    pub(crate) upstream: Upstream,
    /// What the mirror `bench/names` asks; without projects until the list is measured.
    pub(crate) names: Upstream,
    /// The file of [`MEDIUM`].
    pub(crate) medium: Bytes,
    /// The file of [`LARGE`].
    pub(crate) large: Bytes,
    /// Projects whose upstream answers late.
    pub(crate) cold: Vec<Once>,
    /// Projects with a large file.
    pub(crate) herd: Vec<Once>,
}

/// A project that every server is asked for once.
pub(crate) struct Once {
    pub(crate) project: String,
    /// The name of the file that is fetched.
    pub(crate) file: String,
    /// Its path upstream.
    pub(crate) path: String,
    /// Its bytes, if they are to be compared.
    pub(crate) bytes: Bytes,
}

impl World {
    /// Starts the upstreams. Everything is published before the first server asks: devpi looks
    /// at the list of all projects once in half an hour.
    pub(crate) fn start(plan: &Plan) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (upstream, names) = runtime.block_on(async {
            let upstream = Upstream::start().await;
            (upstream, Upstream::start().await)
        });
        let mut world = Self {
            upstream,
            names,
            medium: noise(plan.medium_bytes).into(),
            large: noise(plan.large_bytes).into(),
            cold: Vec::new(),
            herd: Vec::new(),
        };
        for version in 0..plan.wide_files {
            world.upstream.publish(&wheel(WIDE, version));
        }
        for (project, bytes) in [(MEDIUM, &world.medium), (LARGE, &world.large)] {
            world.upstream.publish_file(raw(project, bytes.clone()));
        }
        for number in 0..plan.cold_projects {
            world.publish_cold(number, plan.upstream_delay);
        }
        for number in 0..plan.herd_rounds {
            world.publish_for_herd(number, plan.herd_bytes);
        }
        Ok(world)
    }

    /// Where the upstream listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.upstream.address().parse()?)
    }

    fn publish_cold(&mut self, number: usize, delay: Duration) {
        let project = format!("cold-{number}");
        for version in 1..TEN_FILES {
            self.upstream.publish(&wheel(&project, version));
        }
        let file = raw(&project, numbered_noise(COLD_BYTES, number));
        // Both answers take their time; the list of all projects does not.
        for path in [self.upstream.project_path(&project), file.path()] {
            self.upstream.fault(&path, Fault::Delay(delay));
        }
        self.cold.push(Once::new(project, &file, Bytes::new()));
        self.upstream.publish_file(file);
    }

    fn publish_for_herd(&mut self, number: usize, size: usize) {
        let project = format!("herd-{number}");
        let bytes = numbered_noise(size, number);
        let file = raw(&project, bytes.clone());
        self.herd.push(Once::new(project, &file, bytes));
        self.upstream.publish_file(file);
    }

    /// Publishes the names of a large index.
    pub(crate) fn publish_names(&self, number: usize) {
        let names: Vec<String> = (0..number).map(project_name).collect();
        self.names.create_projects(names.iter().map(String::as_str));
    }
}

impl Once {
    fn new(project: String, file: &UpstreamFile, bytes: Bytes) -> Self {
        Self {
            project,
            file: file_name(file),
            path: file.path(),
            bytes,
        }
    }
}

/// A wheel of about a kilobyte.
pub(crate) fn wheel(project: &str, version: usize) -> BuiltFile {
    Wheel::named(project)
        .version(&format!("1.{version}"))
        .requires_python(">=3.9")
        .summary("A wheel to be measured with")
        .build()
}

/// A file that is no archive: mirrors pass it on all the same.
fn raw(project: &str, bytes: Bytes) -> UpstreamFile {
    let name = format!("{}-1.0.tar.gz", project.replace('-', "_"));
    UpstreamFile::new(project, "1.0", &name, bytes)
}

fn file_name(file: &UpstreamFile) -> String {
    let path = file.path();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Names as people give them: of different lengths, sharing beginnings.
fn project_name(number: usize) -> String {
    const FIRST: [&str; 8] = [
        "py",
        "django",
        "pytest",
        "sphinxcontrib",
        "aws-cdk",
        "flask",
        "types",
        "my",
    ];
    const SECOND: [&str; 5] = ["client", "tools", "plugin-for-something", "core", "x"];
    let first = FIRST[number % FIRST.len()];
    let second = SECOND[number / FIRST.len() % SECOND.len()];
    format!("{first}-{second}-{number}")
}

/// Noise that no other number has, or a server may find that it has the bytes already.
fn numbered_noise(length: usize, number: usize) -> Bytes {
    let mut bytes = noise(length);
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let names: std::collections::BTreeSet<String> = (0..5000).map(project_name).collect();
        assert_eq!(names.len(), 5000);
    }
}
