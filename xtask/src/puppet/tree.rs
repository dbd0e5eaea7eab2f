//! The clean Debian of the packages' tests, with Puppet in it and without nginx, which is Puppet's business.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{REFERENCE, folder, module};
use crate::deb::clean_debian;
use crate::shell::{self, program, say};

/// What there is beside a clean Debian: Puppet with its tools, a proxy for the company of the example, and a database
/// for several nodes.
const PACKAGES: &[&str] = &[
    "metadata-json-lint",
    "postgresql",
    "puppet-agent",
    "puppet-lint",
    "puppet-module-puppetlabs-stdlib",
    "puppet-strings",
    "ruby-rspec-puppet",
    "tinyproxy",
];

/// What Puppet is to install there: nginx with a right to files, and what the package of the server depends on.
const FETCHED: &[&str] = &["acl", "nginx", "procps"];

/// Makes the tree out of a copy of the clean one. [`FETCHED`] is not installed: apt will find it in its cache, for a
/// machine in a test has no network. Agent, proxy and database of the packages are not to start by themselves. Facter would
/// ask the addresses of clouds.
const SCRIPT: &str = r#"
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get purge -q -y 'nginx*' 'libnginx*'
apt-get update -q
apt-get install -q -y --no-install-recommends $PACKAGES
apt-get install -q -y --download-only $FETCHED
rm /usr/sbin/policy-rc.d
for unit in postgresql puppet tinyproxy; do ln -sf /dev/null "/etc/systemd/system/$unit.service"; done
mkdir -p /etc/facter
echo 'facts : { blocklist : [ "ec2_metadata", "ec2_userdata", "gce", "az_metadata", "cloud", "augeas" ] }' > /etc/facter/facter.conf
"#;

/// A tree with Puppet.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// The tree of a release of Debian, made now unless it is there.
pub(super) fn of(release: &str) -> Result<Tree> {
    let clean = clean_debian::tree_of(release)?;
    let folder = folder().join(format!("debian-{release}"));
    let root = folder.join("root");
    let mark = folder.join("complete");
    // The mark of a complete tree: the tree itself is touched by whoever boots it.
    let made = std::fs::metadata(clean.with_file_name("complete"))?.modified()?;
    let wanted = format!(
        "{made:?}\n{} {}\n{SCRIPT}",
        PACKAGES.join(" "),
        FETCHED.join(" ")
    );
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        say(&format!("{} is there already", root.display()));
        return Ok(Tree { root });
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    shell::run(program("cp").arg("-a").arg(clean).arg(&root))?;
    let tree = Tree { root };
    tree.run(SCRIPT, &folder.join("apt.log"))?;
    std::fs::write(mark, wanted)?;
    Ok(tree)
}

impl Tree {
    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The reference of the module, as puppet-strings reads it out of the sources.
    pub(super) fn reference(&self) -> Result<String> {
        let inside = self.root.join("opt/module");
        let remove = || -> Result<()> {
            if inside.exists() {
                std::fs::remove_dir_all(&inside)?;
            }
            Ok(())
        };
        remove()?;
        shell::run(program("cp").arg("-r").arg(module()).arg(&inside))?;
        let log = folder().join("strings.log");
        self.run(
            &format!("cd /opt/module && rm -f {REFERENCE} && puppet strings generate --format markdown --out {REFERENCE}"),
            &log,
        )?;
        let text = std::fs::read_to_string(inside.join(REFERENCE)).context(REFERENCE)?;
        remove()?;
        Ok(text)
    }

    /// Runs a program of shell in the tree, without booting it.
    fn run(&self, script: &str, log: &Path) -> Result<()> {
        shell::run_quietly(
            program("chroot")
                .arg(&self.root)
                .args([
                    "env",
                    "-i",
                    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME=/root",
                ])
                .args(["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
                .arg(format!("PACKAGES={}", PACKAGES.join(" ")))
                .arg(format!("FETCHED={}", FETCHED.join(" ")))
                .args(["sh", "-euc", script]),
            log,
        )
    }
}
