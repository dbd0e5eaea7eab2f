//! Keeping what came from upstreams.

use std::sync::Arc;

use cheeseshop_domain::Index;
use cheeseshop_storage::database::indexes;
use cheeseshop_storage::{DatabaseError, Origin, Transaction};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Inner;
use super::source::Source;
use crate::Error;

/// The actor of what mirrors write. No user can be called that, for their changes would be taken for those of a mirror.
pub(crate) const ACTOR: &str = "a mirror";

impl Inner {
    /// Stores what came from the upstream of an index, unless the index is gone or follows another one by now.
    ///
    /// # Errors
    /// Whatever the operation or the database gives.
    pub(super) async fn store<F>(&self, index: &Arc<Index>, operation: F) -> Result<(), Error>
    where
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<(), DatabaseError>>
            + Send
            + 'static,
    {
        let index = Arc::clone(index);
        self.db
            .write(Origin::new(ACTOR), move |tx| {
                async move {
                    if still_follows(tx, &index).await? {
                        operation(tx).await?;
                    }
                    Ok::<_, DatabaseError>(())
                }
                .boxed()
            })
            .await?;
        Ok(())
    }
}

/// Whether the index is still there and follows the upstream that it followed when it was looked at: asked in the
/// transaction that keeps something of this upstream, for it may have come after all that is kept was cleared.
async fn still_follows(tx: &mut Transaction, index: &Index) -> Result<bool, DatabaseError> {
    let upstream = |index: &Index| Source::of(index).map(|source| Arc::clone(source.identity()));
    let now = indexes::find(tx, &index.name).await?;
    Ok(now.is_some_and(|now| now.id == index.id && upstream(&now) == upstream(index)))
}
