//! A fake PyPI on loopback.
//!
//! ```ignore
//! let upstream = Upstream::start().await;
//! let wheel = Wheel::named("flask").version("3.0").build();
//! upstream.publish(&wheel);
//! upstream.fault(&upstream.file_path(&wheel), Fault::Truncate { after: 100 });
//! ```
//!
//! Everything can be changed while it runs; a request sees one consistent state. Paths are those
//! of URLs, with their leading slash: `/simple/`, `/simple/flask/`, `/files/ab/cd/…/NAME`.

mod answer;
mod fault;
mod page;
mod state;

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;

pub use self::fault::{Fault, Gate};
pub use self::state::{RecordedRequest, UpstreamFile};

use self::state::{Shared, State};
use crate::distribution::{BuiltFile, normalize};
use crate::serve::{Server, serve};
use crate::tls::CertificateAuthority;

/// How long a test waits for something that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Which representations of the Simple API an upstream has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// HTML and JSON, chosen by `Accept` as PyPI does.
    #[default]
    Both,
    /// JSON whatever was asked for.
    Json,
    /// HTML whatever was asked for, as `text/html`.
    Html,
}

/// How pages link to files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Whole URLs.
    #[default]
    Absolute,
    /// Relative to the page.
    Relative,
}

/// Starts an [`Upstream`] that is not the plainest.
#[derive(Clone, Default)]
pub struct UpstreamBuilder {
    tls: Option<CertificateAuthority>,
}

impl UpstreamBuilder {
    /// Serves `https` with a certificate of this authority for `localhost`, `127.0.0.1` and
    /// `pypi.test`.
    #[must_use]
    pub fn tls(mut self, authority: &CertificateAuthority) -> Self {
        self.tls = Some(authority.clone());
        self
    }

    /// Starts it.
    #[expect(clippy::unused_async, reason = "like the other servers")]
    pub async fn start(self) -> Upstream {
        let shared = Arc::new(Shared::default());
        let config = self
            .tls
            .map(|authority| authority.server_config(&["localhost", "127.0.0.1", "pypi.test"]));
        let scheme = if config.is_some() { "https" } else { "http" };
        let answering = Arc::clone(&shared);
        let server = serve(config, move |request| {
            answer::answer(Arc::clone(&answering), request)
        });
        let origin = format!("{scheme}://{}", server.address);
        lock(&shared).origin.clone_from(&origin);
        Upstream {
            shared,
            origin,
            server: Arc::new(server),
        }
    }
}

/// A fake PyPI. Cheap to clone; it stops when the last clone is dropped.
#[derive(Clone)]
pub struct Upstream {
    shared: Arc<Shared>,
    origin: String,
    server: Arc<Server>,
}

impl Upstream {
    /// Starts an upstream without projects: both formats, a root list, absolute links,
    /// validators, serials, core metadata.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For one with TLS.
    pub fn builder() -> UpstreamBuilder {
        UpstreamBuilder::default()
    }

    /// The Simple API: `http://127.0.0.1:PORT/simple/`.
    pub fn url(&self) -> String {
        format!("{}/simple/", self.origin)
    }

    /// The same with these credentials in front of the host.
    pub fn url_with_credentials(&self, user: &str, password: &str) -> String {
        self.url()
            .replacen("://", &format!("://{user}:{password}@"), 1)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    // What it holds.

    /// Adds a file, and its project if need be; replaces one of the same name.
    pub fn publish(&self, file: &BuiltFile) {
        self.publish_file(UpstreamFile::from(file));
    }

    /// Adds a file with properties of its own.
    pub fn publish_file(&self, file: UpstreamFile) {
        let mut state = self.state();
        let serial = state.next_serial();
        let project = state.project(&file.project);
        project.files.retain(|other| other.name != file.name);
        project.files.push(file);
        project.serial = serial;
    }

    /// Adds a project without files.
    pub fn create_project(&self, name: &str) {
        let mut state = self.state();
        let serial = state.next_serial();
        state.project(name).serial = serial;
    }

    /// Adds many projects without files at once, for big root lists.
    pub fn create_projects<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut state = self.state();
        let serial = state.next_serial();
        for name in names {
            state.project(name).serial = serial;
        }
    }

    /// Forgets a project; its files are gone too.
    pub fn remove_project(&self, name: &str) {
        let mut state = self.state();
        state.next_serial();
        state.projects.remove(&normalize(name));
    }

    /// Forgets a file.
    pub fn remove_file(&self, project: &str, filename: &str) {
        let mut state = self.state();
        let serial = state.next_serial();
        let project = state.project(project);
        project.files.retain(|file| file.name != filename);
        project.serial = serial;
    }

    /// Yanks a file.
    pub fn yank(&self, project: &str, filename: &str, reason: &str) {
        let mut state = self.state();
        let serial = state.next_serial();
        let project = state.project(project);
        project.serial = serial;
        for file in &mut project.files {
            if file.name == filename {
                file.yanked = Some(reason.to_owned());
            }
        }
    }

    /// Sets the project's status (PEP 792), for instance `quarantined`.
    pub fn set_status(&self, project: &str, status: &str, reason: Option<&str>) {
        let mut state = self.state();
        let serial = state.next_serial();
        let project = state.project(project);
        project.serial = serial;
        project.status = Some((status.to_owned(), reason.map(ToOwned::to_owned)));
    }

    /// Sets the project's last serial, also back to an older one.
    pub fn set_project_serial(&self, project: &str, serial: u64) {
        self.state().project(project).serial = serial;
    }

    // How it behaves.

    /// Chooses the representations.
    pub fn set_formats(&self, formats: Formats) {
        self.state().formats = formats;
    }

    /// Chooses how pages link to files.
    pub fn set_links(&self, links: Links) {
        self.state().links = links;
    }

    /// Lets absolute links begin with another origin, for instance `http://localhost:PORT`, as
    /// PyPI's files have a host of their own. None: this upstream's own.
    pub fn set_file_origin(&self, origin: Option<&str>) {
        self.state().file_origin = origin.map(ToOwned::to_owned);
    }

    /// With or without the list of all projects (404 without).
    pub fn set_root_list(&self, there: bool) {
        self.state().root_list = there;
    }

    /// With or without `ETag` and 304.
    pub fn set_validators(&self, there: bool) {
        self.state().validators = there;
    }

    /// With or without `X-PyPI-Last-Serial`, and `_last-serial` in JSON.
    pub fn set_serials(&self, there: bool) {
        self.state().serials = there;
    }

    /// Whether pages offer core metadata and the files are there. See also
    /// [`UpstreamFile::without_core_metadata`].
    pub fn set_core_metadata(&self, there: bool) {
        self.state().core_metadata = there;
    }

    /// Whether pages are sent compressed with gzip to whoever accepts that.
    pub fn set_compression(&self, there: bool) {
        self.state().compression = there;
    }

    /// Demands these credentials for everything from now on.
    pub fn require_basic(&self, user: &str, password: &str) {
        self.state().credentials = Some((user.to_owned(), password.to_owned()));
    }

    /// Makes one path fail until [`clear_faults`](Self::clear_faults). Several faults of one
    /// path act together.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state().add_fault(path, fault, None);
    }

    /// Makes one path fail for so many requests.
    pub fn fault_times(&self, path: &str, fault: Fault, times: usize) {
        self.state().add_fault(path, fault, Some(times));
    }

    /// Makes every path fail, like a dead or drowning upstream.
    pub fn fault_everywhere(&self, fault: Fault) {
        self.state().add_fault("*", fault, None);
    }

    /// Ends the faults of a path (`*`: those of every path).
    pub fn clear_faults(&self, path: &str) {
        self.state().faults.remove(path);
    }

    // What it saw.

    /// The path of a project's page.
    pub fn project_path(&self, project: &str) -> String {
        format!("/simple/{}/", normalize(project))
    }

    /// The path of a file.
    pub fn file_path(&self, file: &BuiltFile) -> String {
        state::file_path(&file.sha256, &file.name)
    }

    /// The path of a file's core metadata.
    pub fn metadata_path(&self, file: &BuiltFile) -> String {
        format!("{}.metadata", self.file_path(file))
    }

    /// The absolute URL of a file.
    pub fn file_url(&self, file: &BuiltFile) -> String {
        format!("{}{}", self.origin, self.file_path(file))
    }

    /// All requests in order of arrival, those that failed included.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.clone()
    }

    /// The requests for one path (without query).
    pub fn requests_to(&self, path: &str) -> Vec<RecordedRequest> {
        let state = self.state();
        let matching = state.requests.iter().filter(|seen| seen.path == path);
        matching.cloned().collect()
    }

    /// How many requests there were for one path.
    pub fn count(&self, path: &str) -> usize {
        self.requests_to(path).len()
    }

    /// How many requests of one method there were for one path.
    pub fn count_method(&self, method: &Method, path: &str) -> usize {
        let requests = self.requests_to(path);
        requests
            .iter()
            .filter(|seen| seen.method == method.as_str())
            .count()
    }

    /// How many requests there were in all.
    pub fn total(&self) -> usize {
        self.state().requests.len()
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&self) {
        self.state().requests.clear();
    }

    /// The bodies that were posted to `/legacy/` (an index to push to).
    pub fn uploads(&self) -> Vec<bytes::Bytes> {
        self.state().uploads.clone()
    }

    /// The URL that takes uploads.
    pub fn upload_url(&self) -> String {
        format!("{}/legacy/", self.origin)
    }

    /// Waits until there were so many requests for a path.
    ///
    /// # Panics
    ///
    /// When that takes longer than a minute.
    pub async fn wait_for_requests(&self, path: &str, number: usize) {
        let mut arrivals = self.shared.arrivals.subscribe();
        let waiting = async {
            while self.count(path) < number {
                arrivals.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let seen = self.count(path);
            panic!("waited for {number} requests of {path}, saw {seen}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}
