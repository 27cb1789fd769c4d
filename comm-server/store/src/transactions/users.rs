//! Users: created, and given passwords.

use comm_server_core::tenancy::UserName;

use crate::db::StoreError;
use crate::tables::{AccountRef, login_failures, sessions, users};
use crate::{NewUser, Scoped};

impl Scoped {
    /// Creates a user; false if one of that name exists.
    pub async fn create_user(&self, new: NewUser) -> Result<bool, StoreError> {
        let tenant = self.tenant().clone();
        self.writer().write(move |c| Box::pin(async move { users::insert(c, &tenant, new).await })).await
    }

    /// Sets a password, lifts a lock and ends all sessions but the one kept; false if there is no such user.
    pub async fn set_password(
        &self,
        name: &UserName,
        password_hash: String,
        must_change: bool,
        keep_session: Option<String>,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (self.tenant().clone(), name.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    let exists = users::set_password(c, &tenant, &name, password_hash, must_change).await?;
                    let account = AccountRef { tenant: &tenant, user: Some(&name) };
                    login_failures::delete_of_account(c, account).await?;
                    sessions::delete_of_user(c, &tenant, &name, &keep_session.unwrap_or_default()).await?;
                    Ok(exists)
                })
            })
            .await
    }
}
