//! Users and their sessions.

use comm_server_core::tenancy::UserName;
use jiff::Timestamp;

use crate::db::StoreError;
use crate::tables::{sessions, users};
use crate::{Scoped, Session, Store, User};

impl Scoped {
    /// A user.
    pub async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        users::read(&mut *self.reader().await?, self.tenant(), name).await
    }

    /// All users of a tenant, by name.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        users::all(&mut *self.reader().await?, self.tenant()).await
    }
}

impl Store {
    /// Whether no user has chosen a password of their own yet.
    pub async fn awaits_first_login(&self) -> Result<bool, StoreError> {
        Ok(!users::any_own_password(&mut *self.reader().await?).await?)
    }

    /// A session that has not ended, with its user.
    pub async fn session(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let session = sessions::read(&mut *self.reader().await?, token_hash, now).await?;
        let Some(session) = session else { return Ok(None) };
        let user = users::read(&mut *self.reader().await?, &session.tenant, &session.user).await?;
        Ok(user.map(|user| (session, user)))
    }
}
