//! Statements for tests: rows as another part of the server would write them, and raw reads; and values that tests
//! write as literals. No program uses this.

use std::fmt::Debug;
use std::str::FromStr;

use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::Role;
use comm_server_core::tenancy::{Scope, TenantId};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Row as _, Transaction};

use crate::db::{StoreError, failed};

/// The scope of a deployment that has configured no tenants.
#[must_use]
pub fn scope() -> Scope {
    Scope::of_tenant(TenantId::default_tenant())
}

/// An account of a role for the whole tenant.
#[must_use]
pub fn account(role: Role) -> AccountSpec {
    AccountSpec { role, part: None, full_name: String::new(), mail: String::new() }
}

/// Parses an identifier that a test writes as a literal.
///
/// # Panics
/// The text is not such an identifier.
#[must_use]
pub fn id<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("the test's identifier follows the rule")
}

/// A database.
#[derive(Debug)]
pub struct Database(AnyPool);

/// One transaction.
#[derive(Debug)]
pub struct Connection(Transaction<'static, Any>);

/// A statement with its arguments.
pub struct Statement(Query<'static, Any, AnyArguments>);

/// A row of a result.
pub struct Row(AnyRow);

/// An argument of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, or null.
    Text(Option<String>),
    /// A number, or null.
    Number(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

/// A statement; its arguments are `$1`, `$2` and so on.
#[must_use]
pub fn query(sql: &'static str) -> Statement {
    Statement(sqlx::query(sql))
}

impl Statement {
    /// Adds an argument.
    #[must_use]
    pub fn bind(self, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Text(text) => Self(self.0.bind(text)),
            Value::Number(number) => Self(self.0.bind(number)),
        }
    }

    /// Executes it in a transaction.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn execute(self, connection: &mut Connection) -> Result<(), StoreError> {
        self.0.execute(&mut *connection.0).await.map_err(failed("execute a test's statement"))?;
        Ok(())
    }

    /// Its rows.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn rows(self, database: &Database) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.fetch_all(&database.0).await.map_err(failed("execute a test's query"))?;
        Ok(rows.into_iter().map(Row).collect())
    }
}

impl Database {
    /// Connects to a database whose tables exist.
    ///
    /// # Errors
    /// The database can't be opened.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        AnyPool::connect(url).await.map(Self).map_err(failed("connect"))
    }

    /// Executes statements without arguments.
    ///
    /// # Errors
    /// One of them fails.
    pub async fn execute(&self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(sql).execute(&self.0).await.map_err(failed("execute a test's statements"))?;
        Ok(())
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Connection, StoreError> {
        self.0.begin().await.map(Connection).map_err(failed("begin"))
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.0.close().await;
    }
}

impl Connection {
    /// Commits the transaction.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await.map_err(failed("commit"))
    }
}

impl Row {
    /// A text, by the position of its column from 0.
    ///
    /// # Errors
    /// There is no such column, or its value is not a text.
    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        self.0.try_get(column).map_err(failed("read a text"))
    }

    /// A text or null.
    ///
    /// # Errors
    /// There is no such column, or its value is not a text.
    pub fn maybe_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        self.0.try_get(column).map_err(failed("read a text"))
    }

    /// A number that isn't negative.
    ///
    /// # Errors
    /// There is no such column, or its value is not such a number.
    pub fn count(&self, column: usize) -> Result<u64, StoreError> {
        let number: i64 = self.0.try_get(column).map_err(failed("read a number"))?;
        u64::try_from(number).map_err(|_| StoreError::Range { what: "a test's number" })
    }
}
