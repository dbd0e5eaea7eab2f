mod connection;
mod errors;
mod forms;
