//! The contestants.
//!
//! All index servers get the same indexes:
//!
//! | index | what |
//! |---|---|
//! | `root/pypi` | mirror of the upstream |
//! | `bench/hosted` | hosted, for pages and uploads |
//! | `bench/names` | mirror of the upstream with many names |
//! | `team/dev` → `team/staging` → `shared/stable` → `shared/stable-local`, `shared/thirdparty-local`, `root/pypi` | the team layout; `shared/stable` holds nothing |

mod cheeseshop;
mod devpi;
mod nginx;
mod peryx;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use url::Url;

pub(crate) use self::nginx::Nginx;
use crate::cli::{Cli, Peer};
use crate::devpi_api::Api;
use crate::form;
use crate::http::{Connection, Request};
use crate::output::say;
use crate::process::{self, Process};
use crate::world::World;
use cheeseshop_test_support::BuiltFile;

/// The mirror of the upstream.
pub(crate) const MIRROR: &str = "root/pypi";
/// The hosted index.
pub(crate) const HOSTED: &str = "bench/hosted";
/// The mirror with many names.
pub(crate) const NAMES: &str = "bench/names";
/// Where developers of a team install from.
pub(crate) const TEAM: &str = "team/dev";
/// The hosted indexes that the team layout is made of.
pub(crate) const TEAM_HOSTED: [&str; 4] = [
    "team/dev",
    "team/staging",
    "shared/stable-local",
    "shared/thirdparty-local",
];

/// What pip sends.
pub(crate) const JSON: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
/// What a browser or an old installer sends.
pub(crate) const HTML: &str = "text/html";

/// The password of every user but `root` at cheeseshop, which chooses it.
const PASSWORD: &str = "password-of-the-bench";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// We.
    Cheeseshop,
    /// Static files.
    Nginx,
    /// devpi-server.
    Devpi,
    /// peryx.
    Peryx,
    /// The upstream itself, without anybody between.
    Direct,
}

impl Who {
    pub(crate) const ALL: [Self; 5] = [
        Self::Cheeseshop,
        Self::Nginx,
        Self::Devpi,
        Self::Peryx,
        Self::Direct,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cheeseshop => "cheeseshop",
            Self::Nginx => "nginx",
            Self::Devpi => "devpi",
            Self::Peryx => "peryx",
            Self::Direct => "direct",
        }
    }
}

/// Something that can be asked: a contestant and a path.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) who: Who,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
}

/// A file as a page lists it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// How a server spells its URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Devpi,
    Peryx,
}

/// A running index server.
pub(crate) struct IndexServer {
    pub(crate) who: Who,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    spelling: Spelling,
    log: PathBuf,
    command: Box<dyn Fn() -> Command + Sync>,
}

impl IndexServer {
    fn start(
        who: Who,
        spelling: Spelling,
        address: SocketAddr,
        log: PathBuf,
        command: Box<dyn Fn() -> Command + Sync>,
    ) -> Result<Self> {
        let process = Process::start(&mut command(), &log)?;
        let mut server = Self {
            who,
            address,
            process,
            spelling,
            log,
            command,
        };
        let probe = Request::get(server.probe_path());
        server
            .process
            .wait_until(|| answers(address, &probe))
            .with_context(|| who.name())?;
        Ok(server)
    }

    /// Stops it, starts it again on the same data, and gives the time from the start of the
    /// process until it has answered a request for `path`.
    pub(crate) fn restart(&mut self, path: &str) -> Result<Duration> {
        self.process.stop()?;
        let mut command = (self.command)();
        let request = Request::get(path).header("Accept", JSON);
        let address = self.address;
        let started = Instant::now();
        self.process = Process::start(&mut command, &self.log)?;
        self.process.wait_until(|| answers(address, &request))?;
        Ok(started.elapsed())
    }

    fn probe_path(&self) -> &'static str {
        match self.spelling {
            Spelling::Devpi => "/+api",
            Spelling::Peryx => "/+health",
        }
    }

    pub(crate) fn page_path(&self, index: &str, project: &str) -> String {
        format!("{}{project}/", self.list_path(index))
    }

    pub(crate) fn list_path(&self, index: &str) -> String {
        match self.spelling {
            Spelling::Devpi => format!("/{index}/+simple/"),
            Spelling::Peryx => format!("/{index}/simple/"),
        }
    }

    pub(crate) fn place(&self, path: String) -> Place {
        Place {
            who: self.who,
            address: self.address,
            path,
        }
    }

    /// The request that uploads a wheel, with user and password in it.
    pub(crate) fn upload(&self, index: &str, file: &BuiltFile) -> Request {
        let path = format!("/{index}/");
        match self.spelling {
            Spelling::Devpi => {
                let user = index.split('/').next().unwrap_or_default();
                form::upload(&path, file, user, PASSWORD)
            }
            Spelling::Peryx => form::upload(&path, file, "__token__", PASSWORD),
        }
    }

    /// The same with a devpi login token in place of the password.
    pub(crate) fn upload_with_token(&self, index: &str, file: &BuiltFile, api: &Api) -> Request {
        let mut request = self.upload(index, file);
        request.headers.retain(|(name, _)| name != "Authorization");
        let (name, value) = api.authorization();
        request.header(name, value)
    }

    /// Logs in as the owner of an index; `None` where there are no logins.
    pub(crate) fn login(&self, index: &str) -> Result<Option<Api>> {
        let user = index.split('/').next().unwrap_or_default();
        match self.spelling {
            Spelling::Devpi => Api::login(self.address, user, PASSWORD).map(Some),
            Spelling::Peryx => Ok(None),
        }
    }

    /// Uploads wheels one after the other.
    pub(crate) fn seed(&self, index: &str, files: &[BuiltFile]) -> Result<()> {
        let mut connection = Connection::open(self.address)?;
        for file in files {
            let (answer, body) = connection.fetch(&self.upload(index, file))?;
            if answer.status != 200 {
                let body = String::from_utf8_lossy(&body);
                bail!("upload of {}: {} {body}", file.name, answer.status);
            }
        }
        Ok(())
    }

    /// The files of a project.
    pub(crate) fn files(&self, index: &str, project: &str) -> Result<Vec<Listed>> {
        listed(self.address, &self.page_path(index, project))
    }

    /// Where a file of a project is.
    pub(crate) fn file(&self, index: &str, project: &str, name: &str) -> Result<Place> {
        let file = self
            .files(index, project)?
            .into_iter()
            .find(|file| file.name == name)
            .ok_or_else(|| anyhow!("{index} does not list {name}"))?;
        Ok(self.place(file.path))
    }
}

/// Reads a project page in JSON.
pub(crate) fn listed(address: SocketAddr, path: &str) -> Result<Vec<Listed>> {
    let request = Request::get(path).header("Accept", JSON);
    let (answer, body) = Connection::open(address)?.fetch(&request)?;
    if answer.status != 200 {
        bail!("{path}: {}", answer.status);
    }
    let page: Value = serde_json::from_slice(&body).with_context(|| path.to_owned())?;
    let base = Url::parse(&format!("http://{address}{path}"))?;
    page["files"]
        .as_array()
        .context("a page without files")?
        .iter()
        .map(|file| {
            let url = base.join(file["url"].as_str().context("a file without URL")?)?;
            Ok(Listed {
                name: file["filename"].as_str().unwrap_or_default().to_owned(),
                path: url.path().to_owned(),
            })
        })
        .collect()
}

fn answers(address: SocketAddr, request: &Request) -> bool {
    Connection::open(address)
        .and_then(|mut connection| connection.measure(request))
        .is_ok_and(|answer| answer.status == 200)
}

/// Users and indexes, where they are made over devpi's API.
fn create_indexes(api: &mut Api, world: &World, has_root_pypi: bool) -> Result<()> {
    for user in ["bench", "team", "shared"] {
        api.create_user(user, PASSWORD)?;
    }
    let mirror = |url: String| json!({"type": "mirror", "mirror_url": url, "volatile": false});
    let stage = |bases: &[&str]| json!({"type": "stage", "bases": bases, "volatile": false});
    if !has_root_pypi {
        api.create_index(MIRROR, &mirror(world.upstream.url()))?;
    }
    api.create_index(NAMES, &mirror(world.names.url()))?;
    api.create_index(HOSTED, &stage(&[]))?;
    api.create_index("shared/stable-local", &stage(&[]))?;
    api.create_index("shared/thirdparty-local", &stage(&[]))?;
    api.create_index(
        "shared/stable",
        &stage(&["shared/stable-local", "shared/thirdparty-local", MIRROR]),
    )?;
    api.create_index("team/staging", &stage(&["shared/stable"]))?;
    api.create_index("team/dev", &stage(&["team/staging"]))
}

/// All that take part.
pub(crate) struct Contestants {
    pub(crate) indexes: Vec<IndexServer>,
    pub(crate) nginx: Option<Nginx>,
    programs: PathBuf,
}

impl Contestants {
    /// Starts everybody. A peer that does not start is left out, and said so.
    pub(crate) fn start(cli: &Cli, folder: &Path, world: &World) -> Result<Self> {
        let mut indexes = vec![cheeseshop::start(
            &cli.cheeseshop,
            folder,
            "ours",
            world,
            &[],
        )?];
        let programs = cli.peer_programs.clone();
        let peers: [(Peer, StartPeer); 2] =
            [(Peer::Devpi, devpi::start), (Peer::Peryx, peryx::start)];
        for (peer, start) in peers {
            if !cli.invites(peer) {
                continue;
            }
            say(&format!("starting {peer:?}"));
            match start(&programs, folder, world) {
                Ok(server) => indexes.push(server),
                Err(error) => say(&format!("{peer:?} takes no part: {error:#}")),
            }
        }
        let nginx = if cli.invites(Peer::Nginx) {
            Some(Nginx::start(&folder.join("nginx"))?)
        } else {
            None
        };
        Ok(Self {
            indexes,
            nginx,
            programs: cli.cheeseshop.clone(),
        })
    }

    /// Ourselves.
    pub(crate) fn cheeseshop(&self) -> &IndexServer {
        &self.indexes[0]
    }

    /// The process that answers at a place of `who`.
    pub(crate) fn process(&self, who: Who) -> Option<&Process> {
        if who == Who::Nginx {
            return self.nginx.as_ref().map(Nginx::process);
        }
        self.indexes
            .iter()
            .find(|server| server.who == who)
            .map(|server| &server.process)
    }

    /// Another server of ours, with an empty data directory and more arguments.
    pub(crate) fn another(
        &self,
        folder: &Path,
        name: &str,
        world: &World,
        arguments: &[&str],
    ) -> Result<IndexServer> {
        cheeseshop::start(&self.programs, folder, name, world, arguments)
    }
}

type StartPeer = fn(&Path, &Path, &World) -> Result<IndexServer>;

fn log_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn run(command: &mut Command, log: &Path) -> Result<()> {
    process::run(command, log)
}
