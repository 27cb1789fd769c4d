//! Users and their sessions.

use comm_server_core::tenancy::UserName;
use jiff::Timestamp;

use super::search::pattern;
use crate::db::page::Page;
use crate::db::{StoreError, failed, row, sql};
use crate::tables::{sessions, users};
use crate::{Scoped, Session, Store, User};

/// A session as its user and administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// Address that it was begun from, "" when unknown.
    pub address: String,
    /// What the program called itself (`User-Agent`), "" when unknown.
    pub agent: String,
}

/// A user in a list, with the name of the user's part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// The user.
    pub user: User,
    /// Name of the customer, and of the site if the user can access only that; "" for the whole tenant.
    pub place: String,
    /// Whether the user has a valid one-time link.
    pub invited: bool,
}

impl Scoped {
    /// A user whose access lies within the scope.
    pub async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        users::within(&mut *self.reader().await?, self.scope(), name).await
    }

    /// Whether there is a user at all.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        users::any(&mut *self.reader().await?, self.tenant()).await
    }

    /// Users by login name, those with a text in any name or the mail address; case does not matter; "" matches all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn users(&self, text: &str, cursor: Option<&str>) -> Result<Page<ListedUser>, StoreError> {
        let within = sql::user_within(self.scope());
        let sql = format!(
            "SELECT u.*, COALESCE(cu.name, '') AS customer, COALESCE(si.name, '') AS site, \
             CASE WHEN EXISTS (SELECT 1 FROM invitations i WHERE i.tenant = u.tenant AND i.user_name = u.name \
              AND i.expires_ms > $5) THEN 1 ELSE 0 END AS invited FROM users u \
             LEFT JOIN customers cu ON cu.tenant = u.tenant AND cu.customer = u.scope_customer \
             LEFT JOIN sites si ON si.tenant = u.tenant AND si.site = u.scope_site \
             WHERE u.tenant = $1{within} AND u.name > $2 AND ($3 = '' OR LOWER(u.name) LIKE $3 ESCAPE '!' \
              OR LOWER(u.full_name) LIKE $3 ESCAPE '!' OR LOWER(u.mail) LIKE $3 ESCAPE '!') \
             ORDER BY u.name LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(cursor.unwrap_or_default().to_owned())
            .bind(pattern(text))
            .bind(self.rows().and_one())
            .bind(Timestamp::now().as_millisecond())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read users"))?;
        let listed = |r| {
            let (customer, site) = (row::text(r, "customer")?, row::text(r, "site")?);
            let place = if site.is_empty() { customer } else { format!("{customer} · {site}") };
            Ok(ListedUser { user: users::of(r)?, place, invited: row::flag(r, "invited")? })
        };
        let items = rows.iter().map(listed).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |listed| listed.user.name.to_string()))
    }

    /// The sessions of a user that have not ended, newest first; at most 100.
    pub async fn open_sessions(
        &self,
        name: &UserName,
        now: Timestamp,
    ) -> Result<Vec<OpenSession>, StoreError> {
        let rows = sqlx::query(
            "SELECT created_ms, expires_ms, address, agent FROM sessions \
             WHERE tenant = $1 AND user_name = $2 AND expires_ms > $3 AND stage <> 'code' ORDER BY created_ms DESC LIMIT 100",
        )
        .bind(self.tenant().to_string())
        .bind(name.to_string())
        .bind(now.as_millisecond())
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("read sessions"))?;
        let session = |r| {
            Ok(OpenSession {
                created_at: row::time(r, "created_ms")?,
                expires_at: row::time(r, "expires_ms")?,
                address: row::text(r, "address")?,
                agent: row::text(r, "agent")?,
            })
        };
        rows.iter().map(session).collect()
    }
}

impl Store {
    /// Whether no user has chosen a password of their own yet.
    pub async fn awaits_first_login(&self) -> Result<bool, StoreError> {
        Ok(!users::any_own_password(&mut *self.reader().await?).await?)
    }

    /// A user by the login name, whichever tenant it is in; a user of a disabled tenant is disabled.
    pub async fn user_by_login(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        users::by_login(&mut *self.reader().await?, name).await
    }

    /// A session that has not ended, with its user.
    pub async fn session(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let session = sessions::read(&mut *self.reader().await?, token_hash, now).await?;
        let Some(session) = session else { return Ok(None) };
        let user = users::by_login(&mut *self.reader().await?, &session.user).await?;
        Ok(user.filter(|user| user.tenant == session.tenant).map(|user| (session, user)))
    }
}
