//! Log lines: to standard error, as text for people and journals or as JSON for collectors.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};
use crate::failure::Failure;

/// Starts logging for the rest of the process.
pub(crate) fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| {
        Failure::could_not_try(format!(
            "`log.filter`: `{}` is no filter: {error}",
            config.filter
        ))
        .with_hint("write a level, or targets with levels: `warn,cheeseshop_app=debug`")
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let result = match config.format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal()),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .json()
                    .flatten_event(true),
            )
            .try_init(),
    };
    result.map_err(|error| Failure::caused_by("cannot start logging", &error))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a log line like others, so that collectors find it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map_or_else(String::new, ToString::to_string);
    // Says what `RUST_BACKTRACE` asks for.
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(
        place,
        %backtrace,
        "a task panicked: {}",
        panic.payload_as_str().unwrap_or("no text")
    );
}
