//! Shortcuts for write operations.

/// Runs a write whose value matters and whose success is expected.
macro_rules! write {
    ($database:expr, |$tx:ident| $work:expr) => {{
        let written: crate::support::Write<_> =
            crate::support::write($database, move |$tx| Box::pin(async move { $work })).await;
        written.unwrap().value
    }};
}

/// As `write!`, where failure is expected.
macro_rules! write_error {
    ($database:expr, |$tx:ident| $work:expr) => {{
        let written: crate::support::Write<_> = crate::support::write($database, move |$tx| {
            Box::pin(async move { $work.map(|_| ()) })
        })
        .await;
        written.unwrap_err()
    }};
}
