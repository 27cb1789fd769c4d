//! The store within a scope: the only access to the data of a tenant.

use comm_server_core::tenancy::{Scope, TenantId};

use crate::Store;
use crate::db::page::PageRows;
use crate::db::writer::Writer;
use crate::db::{ReadConnection, StoreError, sql};

/// The store within a scope, cheap to clone: its queries neither read nor change anything outside of it.
#[derive(Clone, Debug)]
pub struct Scoped {
    store: Store,
    scope: Scope,
    rows: PageRows,
}

impl Store {
    /// The store within a scope.
    #[must_use]
    pub fn of(&self, scope: &Scope) -> Scoped {
        Scoped { store: self.clone(), scope: scope.clone(), rows: PageRows::default() }
    }
}

impl Scoped {
    /// The same, its lists in pages of this many rows.
    #[must_use]
    pub fn with_rows(self, rows: PageRows) -> Self {
        Self { rows, ..self }
    }

    pub(crate) const fn rows(&self) -> PageRows {
        self.rows
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) const fn tenant(&self) -> &TenantId {
        self.scope.tenant()
    }

    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// ` AND …`: the gateway in `column` is in the scope; see [`sql::gateway_within`].
    pub(crate) fn within(&self, column: &str) -> String {
        sql::gateway_within(&self.scope, column)
    }

    pub(crate) async fn reader(&self) -> Result<ReadConnection, StoreError> {
        self.store.reader().await
    }

    pub(crate) const fn writer(&self) -> &Writer {
        self.store.writer()
    }
}
