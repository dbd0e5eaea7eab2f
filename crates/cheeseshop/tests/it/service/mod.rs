//! The server in the hands of a service manager: what it tells, what it is told, what it is given.

mod gen_config;
mod kept;
mod manager;
mod notify;
mod reload;
mod retention;
mod secrets;
mod sockets;
mod supervisord;
mod theme;
mod units;
