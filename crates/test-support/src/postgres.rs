//! Throwaway PostgreSQL servers.
//!
//! [`postgres`] gives a fresh database on one server per test process, or on the server of
//! `CHEESESHOP_TEST_POSTGRES_URL` (a superuser's URL) when that is set. Initialising a cluster
//! takes longer than starting it, so an initialised one is kept in the build directory and
//! copied.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use url::Url;

use crate::process::{
    Guarded, accepts, free_port, once_for_all, run, target_directory, user, wait_until,
};

const PASSWORD: &str = "cheeseshop-test";

/// Copies the cluster in `$1` to the directory `$2`, gives it to the server's user, lets that user
/// pass through the directory, and becomes the server.
const COPY: &str = r#"
set -e
cp -r --reflink=auto -- "$1/data" "$2/"
if [ "$(id -u)" = 0 ]; then chown -R postgres -- "$2"; fi
chmod 0700 "$2/data"
chmod 0755 "$2"
shift 2
exec "$@"
"#;

/// Names the server to use instead of a throwaway one.
const EXTERNAL: &str = "CHEESESHOP_TEST_POSTGRES_URL";

/// A database of one test, empty at first. On an external server it is dropped with this value;
/// on a throwaway one it goes with the server.
#[derive(Debug)]
pub struct PostgresDatabase {
    /// `postgres://USER:PASSWORD@127.0.0.1:PORT/NAME`.
    pub url: String,
    /// Server and name, when the database has to be dropped.
    drop_from: Option<(Url, String)>,
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.drop_from {
            let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
            // A database too many on a test server must not hide why a test fails.
            let _ = psql(server, &statement).output();
        }
    }
}

impl PostgresDatabase {
    /// Does something to it, behind the back of whoever uses it.
    ///
    /// # Panics
    ///
    /// When it cannot be done.
    pub async fn execute(&self, statement: &str) {
        let url = Url::parse(&self.url).unwrap();
        let mut command = psql(&url, statement);
        tokio::task::spawn_blocking(move || run(&mut command))
            .await
            .unwrap();
    }
}

/// Makes a fresh database.
///
/// # Panics
///
/// When PostgreSQL is not installed.
pub async fn postgres() -> PostgresDatabase {
    tokio::task::spawn_blocking(fresh_database).await.unwrap()
}

fn fresh_database() -> PostgresDatabase {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("cheeseshop_{}_{number}", std::process::id());
    let external = std::env::var(EXTERNAL).ok();
    let server = match &external {
        Some(url) => Url::parse(url).unwrap_or_else(|error| panic!("{EXTERNAL}: {error}")),
        None => SERVER
            .get_or_init(|| Cluster::start(Durability::None))
            .url("postgres"),
    };
    run(&mut psql(&server, &format!("CREATE DATABASE \"{name}\"")));
    let mut url = server.clone();
    url.set_path(&name);
    PostgresDatabase {
        url: url.into(),
        drop_from: external.map(|_| (server, name)),
    }
}

/// A server of one test that keeps its promises, to be stopped and killed.
#[derive(Debug)]
pub struct DurablePostgres {
    /// URL of its one database; the same after a restart.
    pub url: String,
    cluster: Option<Cluster>,
}

/// Starts a server with `fsync` and all that belongs to it.
///
/// # Panics
///
/// When PostgreSQL is not installed.
pub async fn durable_postgres() -> DurablePostgres {
    tokio::task::spawn_blocking(|| {
        let cluster = Cluster::start(Durability::Full);
        let server = cluster.url("postgres");
        run(&mut psql(&server, "CREATE DATABASE cheeseshop"));
        DurablePostgres {
            url: cluster.url("cheeseshop").into(),
            cluster: Some(cluster),
        }
    })
    .await
    .unwrap()
}

impl DurablePostgres {
    /// Stops the server in order: open connections are cut, everything is written.
    pub async fn stop(&mut self) {
        self.end(Ending::Fast).await;
    }

    /// Ends the server as a crash would; it has to recover at the next start.
    pub async fn kill(&mut self) {
        self.end(Ending::Immediate).await;
    }

    /// Starts the server again, on the same port.
    pub async fn start(&mut self) {
        let cluster = self.cluster.take().expect("a start follows a start");
        let started = tokio::task::spawn_blocking(move || cluster.restart());
        self.cluster = Some(started.await.unwrap());
    }

    async fn end(&mut self, ending: Ending) {
        let cluster = self.cluster.take().expect("the server exists");
        let ended = tokio::task::spawn_blocking(move || cluster.end(ending));
        self.cluster = Some(ended.await.unwrap());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    None,
    Full,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Fast,
    Immediate,
}

#[derive(Debug)]
struct Cluster {
    port: u16,
    durability: Durability,
    server: Option<Guarded>,
    // After the server: dropped last.
    directory: TempDir,
}

impl Cluster {
    fn start(durability: Durability) -> Self {
        let template = template();
        let directory = TempDir::with_prefix("cheeseshop-postgres-").unwrap();
        let cluster = Self {
            port: free_port(),
            durability,
            server: None,
            directory,
        };
        // The copy is made under the watchdog too, which removes it if we are killed meanwhile.
        let copy = ["sh", "-c", COPY, "copy"].map(ToOwned::to_owned);
        let paths =
            [template.as_path(), cluster.directory.path()].map(|path| path.display().to_string());
        cluster.launch(copy.into_iter().chain(paths).collect())
    }

    fn url(&self, database: &str) -> Url {
        let text = format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        );
        Url::parse(&text).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn restart(self) -> Self {
        self.launch(Vec::new())
    }

    /// Starts the server by a command that ends by running the rest of its arguments.
    fn launch(mut self, mut command: Vec<String>) -> Self {
        assert!(self.server.is_none(), "the server runs");
        let root = self.directory.path();
        command.extend(as_postgres());
        command.push(binary("postgres").display().to_string());
        for argument in ["-D", &format!("{}/data", root.display()), "-h", "127.0.0.1"] {
            command.push(argument.to_owned());
        }
        command.extend(["-p".to_owned(), self.port.to_string()]);
        command.extend(["-k".to_owned(), root.display().to_string()]);
        if self.durability == Durability::None {
            for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
                command.extend(["-c".to_owned(), format!("{setting}=off")]);
            }
        }
        command.extend(["-c".to_owned(), "max_connections=200".to_owned()]);
        // SIGINT: fast shutdown. The directory is removed by the watchdog because nobody runs
        // destructors of statics.
        let guarded = Guarded::start(&command, "INT", &self.log(), &[root]);
        self.server = Some(guarded);
        let url = self.url("postgres");
        wait_until("PostgreSQL", &self.log(), || {
            accepts(self.port) && psql(&url, "SELECT 1").output().unwrap().status.success()
        });
        self
    }

    fn end(mut self, ending: Ending) -> Self {
        let pid_file = self.directory.path().join("data/postmaster.pid");
        let pid = std::fs::read_to_string(&pid_file).expect("the server runs");
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        let signal = match ending {
            Ending::Fast => "INT",
            Ending::Immediate => "QUIT",
        };
        run(Command::new("kill").args(["-s", signal, &pid]));
        let log = self.log();
        wait_until("the end of PostgreSQL", &log, || {
            !pid_file.exists() || !Path::new(&format!("/proc/{pid}")).exists()
        });
        // The watchdog would remove the data; it has nothing to signal any more, so it may go.
        if let Some(server) = self.server.take() {
            server.abandon();
        }
        self
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

/// A cluster that was initialised by an earlier test, or now.
fn template() -> PathBuf {
    let version = run(Command::new(binary("postgres")).arg("--version"));
    let version = version
        .trim()
        .replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
    let user = if is_root() { "root" } else { "user" };
    let template = target_directory().join(format!("test-postgres/{version}-{user}"));
    once_for_all(&template, initialise);
    template
}

fn initialise(template: &Path) {
    // Beside the template, because the server's user may not be able to enter the build tree.
    let scratch = TempDir::with_prefix("cheeseshop-initdb-").unwrap();
    let password = scratch.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    if is_root() {
        run(Command::new("chown")
            .args(["-R", "postgres"])
            .arg(scratch.path()));
    }
    let data = scratch.path().join("data");
    let command = as_postgres();
    let initdb = binary("initdb").display().to_string();
    let mut whole = command.iter().chain([&initdb]);
    let program = whole.next().expect("initdb at least");
    run(Command::new(program)
        .args(whole)
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "--auth=scram-sha-256", "-E", "UTF8"])
        .args(["--locale=C.UTF-8", "--no-sync"])
        .arg(format!("--pwfile={}", password.display()))
        .current_dir(scratch.path()));
    run(Command::new("cp").arg("-r").arg(data).arg(template));
}

fn psql(server: &Url, statement: &str) -> Command {
    let mut command = Command::new(binary("psql"));
    let mut url = server.clone();
    let password = server.password().unwrap_or_default().to_owned();
    // Not on the command line, where every user could read it.
    let _ = url.set_password(None);
    command
        .args([
            "--no-psqlrc",
            "--quiet",
            "--no-password",
            "-v",
            "ON_ERROR_STOP=1",
        ])
        .args(["-c", statement])
        .arg(url.as_str())
        .env("PGPASSWORD", password);
    command
}

/// PostgreSQL refuses to run as root.
fn as_postgres() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    // Unlike `runuser` this replaces itself, so that signals reach the server.
    [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
    ]
    .map(ToOwned::to_owned)
    .into()
}

fn is_root() -> bool {
    user() == 0
}

/// Finds a program of PostgreSQL: on PATH, or where Debian puts them (the newest version).
fn binary(name: &str) -> PathBuf {
    let on_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    versions.sort_by_key(|path| {
        let version = path.file_name().and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    versions
        .into_iter()
        .map(|version| version.join("bin"))
        .chain(on_path)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("PostgreSQL ({name}) is missing; install it: apt-get install -y postgresql")
        })
}
