//! Asking upstreams anew because somebody said so.

use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_packaging::ProjectName;

use crate::{App, Error};

impl App {
    /// Fetches the listing of a project again from every mirror that the index inherits and
    /// the caller may read, however fresh it is. Needs no more than the right to read.
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
        let index = self.readable_index(caller, index)?;
        let directory = self.directory();
        let order = directory.visible_order(caller, index.id);
        let mut result = Ok(());
        for mirror in order
            .iter()
            .filter_map(|id| directory.index_by_id(*id))
            .filter(|index| index.is_mirror())
        {
            let refreshed = self.mirrors().refresh(mirror, project).await;
            result = result.and(refreshed);
        }
        // The change log tells of a changed listing when it is stored, which a client that
        // asked for the refresh need not wait for: memory holds the new listing already.
        self.0.generations.bump_project(project.normalized());
        result
    }
}
