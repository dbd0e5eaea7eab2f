mod connection;
mod errors;
mod forms;
mod trigger;
