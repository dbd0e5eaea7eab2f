//! Log lines: to standard error, as text for people and journals or as JSON for collectors.

mod sink;

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::sink::Sink;
use crate::config::{LogConfig, LogFormat};
use crate::failure::Failure;

/// How long the end of the process waits for the last lines to be taken.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where the lines of this process go.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Starts logging for the rest of the process.
pub(crate) fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = filter(&config.filter)
        .map_err(|error| Failure::could_not_try(format!("`log.filter`: {error}")))?;
    let cannot = |error: &dyn std::error::Error| Failure::caused_by("cannot start logging", error);
    let sink = Sink::new(std::io::stderr()).map_err(|error| cannot(&error))?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(sink.clone());
    let result = match config.format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    result.map_err(|error| cannot(&error))?;
    // Set once: `try_init` above succeeds only once.
    let _ = SINK.set(sink);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Reads what is to be logged; the error says what is wrong and what to write.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| {
        format!(
            "`{text}` is no filter: {error}; write a level, or targets with levels: \
             `warn,cheeseshop_app=debug`"
        )
    })
}

/// Waits until what was logged so far is written.
pub(crate) fn flush() {
    if let Some(sink) = SINK.get() {
        sink.flush(LAST_LINES);
    }
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
