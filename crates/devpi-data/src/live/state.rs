//! A running server as [`State`]: keys from our file, bytes over HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use cheeseshop_app::ByteStream;
use cheeseshop_app::import::SourceError;
use cheeseshop_app::import::model::Content;
use cheeseshop_packaging::hash::Hashes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::primary::Primary;
use super::store::Store;
use crate::state::{HeldFile, State, Values};

/// The followed server's state.
#[derive(Clone)]
pub(super) struct LiveState {
    store: Store,
    primary: Primary,
    troubles: Troubles,
}

/// What went wrong on the way to the server since somebody last looked: reasons to try again.
#[derive(Clone, Default)]
struct Troubles(Arc<Mutex<Option<String>>>);

impl Troubles {
    fn note(&self, trouble: String) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get_or_insert(trouble);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl LiveState {
    pub(super) fn new(store: Store, primary: Primary) -> Self {
        Self {
            store,
            primary,
            troubles: Troubles::default(),
        }
    }

    /// The first trouble on the way to the server since the last call. Whatever was read
    /// meanwhile may be incomplete, through no fault of the data.
    pub(super) fn take_trouble(&self) -> Option<String> {
        self.troubles.take()
    }
}

impl State for LiveState {
    fn describe(&self) -> String {
        format!("the devpi-server at {}", self.primary.url())
    }

    fn values(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Values, SourceError>> {
        Box::pin(async move { self.store.values(keys).await.map_err(unreadable) })
    }

    fn held_files<'a>(
        &'a self,
        index: &'a str,
        project: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<HeldFile>, SourceError>> {
        let (index, project) = (index.to_owned(), project.map(str::to_owned));
        Box::pin(async move {
            self.store
                .held_files(index, project)
                .await
                .map_err(unreadable)
        })
    }

    fn content<'a>(&'a self, path: &'a str, _: &'a Hashes) -> BoxFuture<'a, Content> {
        Box::pin(async move { Content::Remote(path.to_owned()) })
    }

    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            match self.primary.file(location).await {
                Ok(Ok(stream)) => {
                    let troubles = self.troubles.clone();
                    let noting = stream.inspect(move |chunk| {
                        if let Err(error) = chunk {
                            troubles.note(error.to_string());
                        }
                    });
                    Ok(noting.boxed())
                }
                Ok(Err(reason)) => Err(SourceError::new(reason)),
                Err(error) => {
                    self.troubles.note(error.to_string());
                    Err(SourceError::new(error.to_string()))
                }
            }
        })
    }
}

fn unreadable(error: super::FollowError) -> SourceError {
    SourceError::caused_by("the copy of the devpi-server's state cannot be read", error)
}
