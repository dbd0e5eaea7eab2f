//! Taking in what another server holds.
//!
//! A [`Source`] tells what is there; [`App::import`] keeps it: blob first, then rows, many to a transaction. Users and
//! indexes come first, in one transaction, so bases may be named in any order and in circles. Contents follow project
//! by project, some at a time: while one is written the bytes of the next ones are hashed and kept.
//!
//! An import can be started again at any time and then goes on: what is here already is recognised by a look-up, its
//! bytes are not read again. What is here and differs stays as it is unless the source is being followed
//! ([`Differing::Follow`]), and the report says so.

mod accounts;
mod bytes;
mod contents;
mod hosted;
mod importer;
mod logs;
mod mirrored;
pub mod model;
mod options;
mod progress;
mod report;
mod source;

pub use self::importer::Importer;
pub use self::options::{Differing, ImportError, ImportOptions};
pub use self::progress::{Progress, ProgressNow};
pub use self::report::{Kind, Note, Outcome, Report};
pub(crate) use self::source::in_full;
pub use self::source::{Source, SourceError};

use crate::App;

impl App {
    /// Takes in all that a source holds. What became of it is in `report`, also when this fails half-way: then whatever
    /// was reported as kept is kept, and the import can be started again.
    ///
    /// # Errors
    /// [`ImportError`]: the source cannot be read any further, or nothing can be kept any more.
    pub async fn import(
        &self,
        source: &dyn Source,
        options: ImportOptions,
        report: &Report,
        progress: &Progress,
    ) -> Result<(), ImportError> {
        let users = source.users(report).await?;
        let indexes = source.indexes(report).await?;
        let mut importer = Importer::new(self.clone(), options, report.clone(), progress.clone());
        importer.accounts(users, &indexes).await?;
        for index in &indexes {
            importer.contents(source, index).await?;
        }
        source.finish(report);
        Ok(())
    }
}
