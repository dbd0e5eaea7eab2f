//! nginx with static files: what the machine can do at best.
//!
//! As an administrator in a hurry would set it up: no access log, `sendfile`, open files kept,
//! pages compressed beforehand, connections kept for ever.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Place, Who, answers};
use crate::http::Request;
use crate::process::{Process, free_address};

/// Where the program is, when the search path of an ordinary user does not name it.
const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// A running nginx and the folder that it serves.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    /// The same with an access log.
    pub(crate) logging: SocketAddr,
    folder: PathBuf,
    process: Process,
}

impl Nginx {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        for part in ["site/pages", "site/files", "site/upload", "temporary"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let (address, logging) = (free_address()?, free_address()?);
        std::fs::write(
            folder.join("nginx.conf"),
            configuration(folder, address, logging),
        )?;
        std::fs::write(folder.join("site/files/probe"), "probe")?;
        let mut nginx = Self {
            address,
            logging,
            process: Process::start(&mut command(folder), &folder.join("nginx.log"))?,
            folder: folder.to_owned(),
        };
        nginx.wait().context("nginx")?;
        Ok(nginx)
    }

    fn wait(&mut self) -> Result<()> {
        let (address, probe) = (self.address, Request::get("/files/probe"));
        self.process.wait_until(|| answers(address, &probe))
    }

    /// As [`super::IndexServer::restart`].
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        self.process.stop()?;
        let started = Instant::now();
        self.process = Process::start(&mut command(&self.folder), &self.folder.join("nginx.log"))?;
        self.wait()?;
        Ok(started.elapsed())
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Serves a page with these bytes; its name ends in `html` or `json`.
    pub(crate) fn page(&self, name: &str, plain: &[u8], gzip: &[u8]) -> Result<Place> {
        let path = self.folder.join("site/pages").join(name);
        std::fs::write(&path, plain)?;
        std::fs::write(path.with_extension(format!("{}.gz", extension(name))), gzip)?;
        Ok(Self::place(self.address, format!("/pages/{name}")))
    }

    /// Serves a file with these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> Result<Place> {
        std::fs::write(self.folder.join("site/files").join(name), bytes)?;
        Ok(Self::place(self.address, format!("/files/{name}")))
    }

    /// The same place on the server with an access log.
    pub(crate) fn logged(&self, place: &Place) -> Place {
        Self::place(self.logging, place.path.clone())
    }

    fn place(address: SocketAddr, path: String) -> Place {
        Place {
            who: Who::Nginx,
            address,
            path,
        }
    }
}

fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn command(folder: &Path) -> Command {
    let program = PROGRAMS
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .unwrap_or("nginx");
    let mut command = Command::new(program);
    command
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(folder.join("nginx.conf"));
    command
}

fn configuration(folder: &Path, address: SocketAddr, logging: SocketAddr) -> String {
    let folder = folder.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "  {kind}_temp_path {folder}/temporary/{kind};");
    }
    let server = |address: SocketAddr, log: &str| {
        format!(
            r#"  server {{
    listen {address} backlog=1024;
    root {folder}/site;
    access_log {log};
    location /pages/ {{
      gzip_static on;
      types {{ text/html html; application/vnd.pypi.simple.v1+json json; }}
      add_header Vary "Accept, Accept-Encoding";
      add_header Cache-Control "max-age=0, must-revalidate";
    }}
    location /files/ {{
      types {{ }}
      default_type application/octet-stream;
      add_header Cache-Control "max-age=365000000, immutable, public";
      add_header X-Content-Type-Options nosniff;
    }}
    location /upload/ {{
      dav_methods PUT;
      create_full_put_path on;
    }}
  }}
"#
        )
    };
    let (plain, logged) = (
        server(address, "off"),
        server(logging, &format!("{folder}/access.log")),
    );
    // Whoever runs this may read the folder; the user `nobody` of the workers perhaps not.
    let user = if is_root() { "user root;\n" } else { "" };
    format!(
        "daemon off;\n{user}worker_processes auto;\npid {folder}/nginx.pid;\n\
         error_log {folder}/error.log warn;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
         {temporary}  sendfile on;\n  tcp_nopush on;\n  keepalive_timeout 300;\n  \
         keepalive_requests 100000000;\n  open_file_cache max=1000 inactive=300s;\n  \
         client_max_body_size 0;\n{plain}{logged}}}\n"
    )
}

fn is_root() -> bool {
    // The owner of a process's folder is the user that it runs as.
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}
