//! Log lines: to standard error, as text for people and journals or as JSON for collectors.

mod sink;

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use self::sink::Sink;
use crate::config::{LogConfig, LogFormat};
use crate::failure::Failure;

/// How long the end of the process waits for the last lines to be taken.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where the lines of this process go.
static SINK: OnceLock<Sink> = OnceLock::new();

/// By which the filter of this process is changed.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Whether lines are JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Starts logging for the rest of the process.
pub(crate) fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = filter(&config.filter)
        .map_err(|error| Failure::could_not_try(format!("`log.filter`: {error}")))?;
    let cannot = |error: &dyn std::error::Error| Failure::caused_by("cannot start logging", error);
    let sink = Sink::new(std::io::stderr()).map_err(|error| cannot(&error))?;
    let (filter, handle) = reload::Layer::new(filter);
    set_format(config.format);
    // Both formats are there, as a layer with spans open cannot be exchanged for another one. Which of them writes
    // is asked for each line anew.
    let text = tracing_subscriber::fmt::layer()
        .with_writer(sink.clone())
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(dynamic_filter_fn(|_, _| !IS_JSON.load(Ordering::Relaxed)));
    let json = tracing_subscriber::fmt::layer()
        .with_writer(sink.clone())
        .json()
        .flatten_event(true)
        .with_filter(dynamic_filter_fn(|_, _| IS_JSON.load(Ordering::Relaxed)));
    tracing_subscriber::registry()
        .with(filter)
        .with(text)
        .with(json)
        .try_init()
        .map_err(|error| cannot(&error))?;
    // Set once: `try_init` above succeeds only once.
    let _ = SINK.set(sink);
    let _ = FILTER.set(handle);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Changes what is logged and how, from the next line on.
pub(crate) fn change(config: &LogConfig) -> Result<(), String> {
    let filter = filter(&config.filter)?;
    if let Some(handle) = FILTER.get() {
        handle.reload(filter).map_err(|error| error.to_string())?;
    }
    set_format(config.format);
    Ok(())
}

fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
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
    // Where nobody catches it the process ends, and takes along what waits to be written.
    flush();
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Tells the test's own program, when it is started once more, to be the one that panics.
    const PANICS: &str = "CHEESESHOP_TEST_PANICS";

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that starts itself as another process"
    )]
    fn a_panic_is_told_by_a_process_that_ends_with_it() {
        if std::env::var_os(PANICS).is_some() {
            start(&LogConfig {
                format: LogFormat::Text,
                filter: "info".to_owned(),
            })
            .unwrap();
            let caught = std::panic::catch_unwind(|| panic!("of the test"));
            assert!(caught.is_err());
            std::process::abort();
        }
        let name = "logging::tests::a_panic_is_told_by_a_process_that_ends_with_it";
        let output = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(PANICS, "yes")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("a task panicked: of the test"), "{said}");
    }
}
