//! What tests need and no product has: distributions made on the spot, a fake PyPI, a proxy,
//! certificates, and real servers and clients.
//!
//! Everything listens on loopback only, on ports of its own, and ends with the test process, also
//! when that is killed. A component that is missing on the machine makes the test fail with the
//! command that installs it; nothing is skipped. Nothing here sleeps: waiting is for a condition
//! (`Upstream::wait_for_requests`, `Gate::wait_for_arrivals`) with a deadline.
//!
//! This crate panics freely: in a test a panic is the error report.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how test support reports an error"
)]

mod browser;
mod chaos;
mod clients;
mod devpi_server;
mod distribution;
mod documentation;
mod form;
mod fronts;
mod noise;
mod postgres;
mod process;
mod proxy;
mod receiver;
mod s3;
mod sdist;
mod serve;
mod tls;
mod tls_front;
mod upstream;
mod wheel;
mod zip_file;

pub use browser::Browser;
pub use chaos::{ChaosRelay, Relay};
pub use clients::{
    client_command, client_environment, python_client, python_packages, python_source,
};
pub use devpi_server::{DevpiCommand, DevpiServer};
pub use distribution::BuiltFile;
pub use documentation::DocumentationArchive;
pub use form::{FORM_TYPE, Form};
pub use fronts::{Haproxy, Nginx, loopback_port};
pub use noise::noise;
pub use postgres::{DurablePostgres, PostgresDatabase, durable_postgres, postgres};
pub use proxy::{ForwardProxy, ProxyRequest};
pub use receiver::{Answer, ReceivedFile, ReceivedForm, Receiver};
pub use s3::{S3Bucket, s3};
pub use sdist::{Sdist, SdistDefect};
pub use tls::{CertificateAuthority, ClientSays};
pub use tls_front::TlsFront;
pub use upstream::{
    Fault, Formats, Gate, Links, RecordedRequest, Upstream, UpstreamBuilder, UpstreamFile,
};
pub use wheel::{Wheel, WheelDefect};
