//! Performs what [`tuf::Client`] requires.

use tuf::{Action, Client, Refusal, RoleName};

/// Where trusted metadata is kept.
pub(crate) trait Store<E> {
    /// The stored file of a role, `None` if there is none. One larger than `limit` bytes may be cut after one byte more.
    fn read(&mut self, role: &RoleName, limit: u64) -> Result<Option<Vec<u8>>, E>;

    /// Replaces the stored file of a role.
    fn write(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), E>;

    /// Removes the stored file of a role.
    fn remove(&mut self, role: &RoleName) -> Result<(), E>;
}

/// Where metadata is requested.
pub(crate) trait Source<E> {
    /// A file of at most `limit` bytes; `None` if the repository doesn't have it.
    fn metadata(
        &self,
        path: &str,
        role: &RoleName,
        limit: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, E>> + Send;
}

/// Continues until nothing is required any more.
///
/// # Errors
/// A role is refused, after what was accepted before it is stored; or a request or the store fails.
pub(crate) async fn perform<E: From<Refusal>>(
    client: &mut Client,
    store: &mut impl Store<E>,
    source: &impl Source<E>,
) -> Result<(), E> {
    // What was accepted is stored before its successor is refused.
    let mut refused = Ok(());
    loop {
        match client.next_action() {
            Action::Write { role, bytes } => store.write(&role, &bytes)?,
            Action::Remove { role } => store.remove(&role)?,
            Action::Read { role, limit } => {
                let stored = store.read(&role, limit)?;
                if let Some(refusal) = client.stored(stored.as_deref()) {
                    tracing::debug!(%role, %refusal, "the stored file is not used");
                }
            }
            Action::Fetch { role, path, limit } => {
                let bytes = source.metadata(&path, &role, limit).await?;
                refused = client.fetched(bytes.as_deref());
            }
            Action::Idle => return refused.map_err(E::from),
        }
    }
}
