//! API tokens: create, use and revoke.

use comm_server_core::tokens::TokenSpec;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::customers::{Author, ChangeError};
use super::users::granted;
use crate::db::StoreError;
use crate::tables::{api_tokens, audit};
use crate::{ApiToken, AuditEntry, Scoped, Store};

impl Scoped {
    /// Stores a token with validated fields; only its hash is stored.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_api_token(
        &self,
        spec: TokenSpec,
        token_hash: String,
        author: Author,
    ) -> Result<Uuid, ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                let tenant = scope.tenant();
                let customer = match granted(c, &scope, spec.account.part).await? {
                    Ok(customer) => customer,
                    Err(refused) => return Ok(Err(refused)),
                };
                let (id, by) = (Uuid::now_v7(), (author.by.as_str(), author.now));
                if !api_tokens::insert(c, (tenant, id), (&spec, customer), &token_hash, by).await? {
                    let of = "another token".to_owned();
                    return Ok(Err(ChangeError::Taken { field: "name", value: spec.name, of }));
                }
                let entry =
                    AuditEntry::new(author.now, &author.by, "token.create", format!("{}: {id}", spec.name));
                let after = json!({ "role": spec.account.role.name(), "expires_at": spec.expires_at,
                    "networks": spec.networks });
                audit::append(c, tenant, &entry.changing(None, Some(after))).await?;
                Ok(Ok(id))
            })
        });
        work.await?
    }

    /// Tokens whose access lies within the scope, newest first; at most 1,000.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        api_tokens::all(&mut *self.reader().await?, self.scope()).await
    }

    /// Revokes a token; requests with it are rejected from now on.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn revoke_api_token(&self, id: Uuid, author: Author) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                let Some(name) = api_tokens::revoke(c, &scope, id, author.now).await? else {
                    return Ok(Err(ChangeError::NotFound { what: "token" }));
                };
                let entry = AuditEntry::new(author.now, &author.by, "token.revoke", format!("{name}: {id}"));
                audit::append(c, scope.tenant(), &entry).await?;
                Ok(Ok(()))
            })
        });
        work.await?
    }
}

impl Store {
    /// A token by its hash, whichever active tenant it belongs to.
    pub async fn api_token(&self, token_hash: &str) -> Result<Option<ApiToken>, StoreError> {
        api_tokens::by_hash(&mut *self.reader().await?, token_hash).await
    }

    /// Records that a token is used now.
    pub async fn note_token_use(&self, token: &ApiToken, now: Timestamp) -> Result<(), StoreError> {
        let (tenant, id) = (token.tenant.clone(), token.id);
        self.writer()
            .write(move |c| Box::pin(async move { api_tokens::set_used(c, (&tenant, id), now).await }))
            .await
    }
}
