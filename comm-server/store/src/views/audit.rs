//! The audit: newest first for pages, in the order of its chain for exports.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed};
use crate::tables::audit::{COLUMNS, Row, evident};

/// Entries of a portion of an export.
const PORTION: i64 = 1000;

/// A filter of entries; by default, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only entries at or after this time.
    pub from: Option<Timestamp>,
    /// Only entries before this time.
    pub to: Option<Timestamp>,
    /// Only entries of this author.
    pub who: Option<String>,
    /// Only entries of this kind, or of all kinds of its group: `rollout` selects `rollout.create` and others.
    pub what: Option<String>,
}

/// A recorded entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id, UUID version 7.
    pub entry: String,
    /// The time.
    pub at: Timestamp,
    /// The author: a user's name, `cli`, `server`, or a gateway's name.
    pub who: String,
    /// The kind of change.
    pub what: String,
    /// A text for people.
    pub detail: String,
    /// What was changed, as it was before; `None` if it was created, or if the entry is not about a change.
    pub before: Option<Value>,
    /// What was changed, as it was after; `None` if it was deleted.
    pub after: Option<Value>,
    /// Its position in the chain, from 1; `None` until it is sealed.
    pub number: Option<i64>,
    /// Its hash, 64 hexadecimal digits; `None` until it is sealed.
    pub hash: Option<String>,
}

impl Recorded {
    fn of(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            at: Timestamp::from_millisecond(row.at_ms)
                .map_err(|_| StoreError::Range { what: "audit.at_ms" })?,
            entry: row.entry,
            who: row.who,
            what: row.what,
            detail: row.detail,
            before: row.before.map(document),
            after: row.after.map(document),
            number: row.number,
            hash: row.hash,
        })
    }
}

/// Parses a document. One that can't be parsed was manipulated: it is returned as a text, and the verification
/// reports it.
fn document(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// The condition of a filter, whose parameters are `$1` to `$5`.
const MATCHES: &str = "tenant = $1 AND at_ms >= $2 AND at_ms < $3 AND ($4 = '' OR who = $4) \
    AND ($5 = '' OR what = $5 OR substr(what, 1, length($5) + 1) = $5 || '.')";

impl Scoped {
    /// Entries, newest first.
    pub async fn audit(&self, cursor: Option<&str>) -> Result<Page<Recorded>, StoreError> {
        self.find_audit(&AuditFilter::default(), cursor).await
    }

    /// Entries that match a filter, newest first.
    pub async fn find_audit(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Recorded>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE {MATCHES} AND entry < $6 ORDER BY entry DESC LIMIT $7"
        );
        let select = self.matching(&sql, filter).bind(page::id(cursor)?).bind(self.rows().and_one());
        let rows = select.fetch_all(&mut *self.reader().await?).await.map_err(failed("read audit"))?;
        let entries = rows.iter().map(|found| Recorded::of(Row::of(found)?)).collect::<Result<_, _>>()?;
        Ok(Page::of(entries, self.rows(), |entry: &Recorded| entry.entry.clone()))
    }

    /// Sealed entries with numbers greater than `after`, in the order of their chain, at most 1,000; empty at the
    /// end.
    pub async fn audit_portion(&self, filter: &AuditFilter, after: i64) -> Result<Vec<Recorded>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM audit WHERE {MATCHES} AND number > $6 ORDER BY number LIMIT $7");
        let select = self.matching(&sql, filter).bind(after).bind(PORTION);
        let rows = select.fetch_all(&mut *self.reader().await?).await.map_err(failed("read audit"))?;
        rows.iter().map(|found| Recorded::of(Row::of(found)?)).collect()
    }

    /// Whether more than this number of sealed entries match a filter.
    pub async fn has_more_audit_than(&self, filter: &AuditFilter, entries: i64) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT number FROM audit WHERE {MATCHES} AND number > $6 ORDER BY number LIMIT 1 OFFSET $7"
        );
        let select = self.matching(&sql, filter).bind(0_i64).bind(entries);
        let found = select.fetch_optional(&mut *self.reader().await?).await;
        Ok(found.map_err(failed("count audit"))?.is_some())
    }

    /// A statement with the parameters of [`MATCHES`].
    fn matching(&self, sql: &str, filter: &AuditFilter) -> Query<'static, sqlx::Any, AnyArguments> {
        let ms = |time: Option<Timestamp>, absent| time.map_or(absent, Timestamp::as_millisecond);
        // As entries are stored: an engine may reject a text with hidden characters.
        let text = |given: Option<&String>| given.map(|given| evident(given)).unwrap_or_default();
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .bind(self.tenant().to_string())
            .bind(ms(filter.from, i64::MIN))
            .bind(ms(filter.to, i64::MAX))
            .bind(text(filter.who.as_ref()))
            .bind(text(filter.what.as_ref()))
    }
}
