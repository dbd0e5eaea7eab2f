//! The real program: started, stopped, fed with nonsense, killed, and used by real clients.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_upload;
#[cfg(test)]
mod client;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod devpi_names;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod fronts;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod herd;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod passwd;
#[cfg(test)]
mod service;
#[cfg(test)]
mod status;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls_server;
