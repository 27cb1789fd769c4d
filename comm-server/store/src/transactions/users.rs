//! Users: created, and given passwords.

use crate::db::StoreError;
use crate::tables::login_failures::{self, AccountRef};
use crate::tables::{sessions, users};
use crate::{NewUser, Store};

impl Store {
    /// Creates a user; false if one of that name exists.
    pub async fn create_user(&self, tenant: &str, new: NewUser) -> Result<bool, StoreError> {
        let tenant = tenant.to_owned();
        self.writer().write(move |c| Box::pin(async move { users::insert(c, &tenant, new).await })).await
    }

    /// Sets a password, lifts a lock and ends all sessions but the one kept; false if there is no such user.
    pub async fn set_password(
        &self,
        tenant: &str,
        name: &str,
        password_hash: String,
        must_change: bool,
        keep_session: Option<String>,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    let exists = users::set_password(c, &tenant, &name, password_hash, must_change).await?;
                    let account = AccountRef { tenant: &tenant, user: &name };
                    login_failures::delete_of_account(c, account).await?;
                    sessions::delete_of_user(c, &tenant, &name, &keep_session.unwrap_or_default()).await?;
                    Ok(exists)
                })
            })
            .await
    }
}
