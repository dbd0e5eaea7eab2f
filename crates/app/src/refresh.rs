//! Asking upstreams anew because somebody said so.

use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_packaging::ProjectName;

use crate::{App, Error};

impl App {
    /// Fetches the listing of a project again from every mirror that the index inherits, that
    /// the caller may read and that has a part in the project, however fresh it is. Needs no
    /// more than the right to read.
    ///
    /// # Errors
    /// See [`App::readable_index`]; the first [`Error::UpstreamFailed`], after all were asked.
    pub async fn refresh_project(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
    ) -> Result<(), Error> {
        self.catch_up().await?;
        let caller = &*caller.about(project.normalized());
        let index = self.readable_index(caller, index)?;
        let mut result = Ok(());
        for mirror in self.mirrors_to_ask(caller, &index, project).await? {
            let refreshed = self.mirrors().refresh(&mirror, project).await;
            result = result.and(refreshed);
        }
        // The change log tells of a changed listing when it is stored, which a client that
        // asked for the refresh need not wait for: memory holds the new listing already.
        self.0.generations.bump_project(project.normalized());
        result
    }
}
