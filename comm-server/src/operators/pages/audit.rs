//! `/audit`: changes, their authors and what they changed; whether the chain of the entries is intact.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use comm_server_core::audit::{Difference, Head, differences};
use comm_server_core::roles::Permission;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

use super::error::{PageError, page};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::session::{PageParams, PageSession};
use super::time::{When, grouped};
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::audit_body;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;
use crate::services::audit::parse_time;
use crate::services::{AuditFormat, EXPORT_ENTRIES, Standing};
use crate::store::{AuditChain, AuditFilter, Recorded};

/// The longest value of a filter, bytes.
const FILTER_BYTES: usize = 200;

/// Groups of kinds that the form suggests; any other kind can be entered.
const KINDS: [&str; 14] = [
    "certificate",
    "command",
    "customer",
    "gateway",
    "password",
    "quarantine",
    "reports",
    "rollout",
    "session",
    "sessions",
    "setting",
    "site",
    "token",
    "user",
];

/// The filter and the position in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    who: String,
    #[serde(default)]
    what: String,
    /// The first day, in UTC.
    #[serde(default)]
    from: String,
    /// The last day, in UTC.
    #[serde(default)]
    to: String,
    /// `now` to verify a long chain.
    #[serde(default)]
    verify: String,
    #[serde(default)]
    page: Cursor,
}

impl Query {
    fn filter(&self) -> Result<AuditFilter, ApiError> {
        for (name, value) in self.values() {
            if value.len() > FILTER_BYTES {
                return Err(ApiError::malformed(format!("{name} is longer than {FILTER_BYTES} bytes")));
            }
        }
        let day = |name: &str, text: &str| {
            let given = Some(text).filter(|text| !text.is_empty());
            given.map(parse_time).transpose().map_err(|error| ApiError::malformed(format!("{name}: {error}")))
        };
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let last = day("to", &self.to)?;
        Ok(AuditFilter {
            from: day("from", &self.from)?,
            to: last.map(|last| last.saturating_add(24.hours()).unwrap_or(Timestamp::MAX)),
            who: text(&self.who),
            what: text(&self.what),
        })
    }

    fn values(&self) -> [(&str, &str); 4] {
        [("who", &self.who), ("what", &self.what), ("from", &self.from), ("to", &self.to)]
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    layout: Layout,
    query: &'a Query,
    kinds: &'static [&'static str],
    is_filtered: bool,
    /// Shown on the first page only.
    chain: Option<ChainLine>,
    file: String,
    entries: Vec<Entry>,
    pages: Pages,
}

struct Entry {
    at: When,
    who: String,
    what: String,
    detail: String,
    /// Empty if it is not sealed yet.
    number: String,
    changes: Vec<Difference>,
}

/// The state of the chain.
struct ChainLine {
    tone: &'static str,
    icon: Icon,
    text: String,
    /// Number and hash of the newest entry, to be stored elsewhere; empty if there is none.
    known: String,
    /// The address at which a long chain is verified.
    verify: Option<String>,
}

/// `GET /audit`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let (filter, cursor) = (query.filter()?, query.page.get());
    let found = state.view(&caller, Permission::SeeAudit)?.audit(&filter, cursor).await?;
    let chain = if cursor.is_none() { Some(chain(&state, &caller, &query).await?) } else { None };
    let own = query.values();
    Ok(page(&AuditPage {
        layout: Layout::new(&caller, "/audit", None),
        kinds: &KINDS,
        is_filtered: filter != AuditFilter::default(),
        chain,
        file: address("/audit/export.csv", &own),
        pages: Pages::new("/audit", &own, found.next.as_deref()),
        entries: found.items.into_iter().map(|entry| row(entry, now)).collect(),
        query: &query,
    }))
}

/// `GET /audit/export.csv`
pub(super) async fn export(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let export = state.services.audit.export(&caller.actor, query.filter()?, Some(EXPORT_ENTRIES)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
    ];
    // From the byte order mark, spreadsheets know that the file is UTF-8.
    let head = format!("\u{feff}{}", AuditFormat::Csv.head());
    Ok((headers, audit_body::body(head, export)).into_response())
}

async fn chain(state: &OperatorState, caller: &Caller, query: &Query) -> Result<ChainLine, ApiError> {
    let audit = &state.services.audit;
    if query.verify == "now" {
        return Ok(told(audit.verify(&caller.actor, None).await?));
    }
    Ok(match audit.standing(&caller.actor).await? {
        Standing::Verified(chain) => told(chain),
        Standing::Unverified(head) => ChainLine {
            tone: "warn",
            icon: Icon::Clock,
            text: format!(
                "The chain is sealed up to entry {} and was not verified now.",
                number(head.number)
            ),
            known: known(&head),
            verify: Some(address("/audit", &[query.values().as_slice(), &[("verify", "now")]].concat())),
        },
    })
}

fn told(AuditChain { head, broken }: AuditChain) -> ChainLine {
    let (tone, icon, text) = match broken {
        Some(broken) => {
            let text =
                format!("The chain is broken: {broken}. The database was changed outside of this server.");
            ("bad", Icon::Alert, text)
        }
        None if head.number == 0 => ("good", Icon::Ok, "No entry is sealed yet.".to_owned()),
        None if head.first_number > head.number => (
            "good",
            Icon::Ok,
            format!("The chain is intact. Retention deleted its {} entries.", number(head.number)),
        ),
        None => {
            let (first, last) = (number(head.first_number), number(head.number));
            ("good", Icon::Ok, format!("The chain is intact, from entry {first} to entry {last}."))
        }
    };
    ChainLine { tone, icon, text, known: known(&head), verify: None }
}

fn known(head: &Head) -> String {
    if head.number == 0 { String::new() } else { format!("{}:{}", head.number, head.hash) }
}

fn number(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

fn row(e: Recorded, now: Timestamp) -> Entry {
    Entry {
        at: When::new(e.at, now),
        who: e.who,
        what: e.what,
        detail: e.detail,
        number: e.number.map(grouped).unwrap_or_default(),
        changes: differences(e.before.as_ref(), e.after.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_counts_to_its_end() {
        let of =
            |from: &str, to: &str| Query { from: from.to_owned(), to: to.to_owned(), ..Query::default() };
        let filter = of("2026-11-01", "2026-11-29").filter().unwrap();
        assert_eq!(filter.from.unwrap().to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(filter.to.unwrap().to_string(), "2026-11-30T00:00:00Z");
        assert_eq!(of("", "").filter().unwrap(), AuditFilter::default());
        assert!(of("", "soon").filter().unwrap_err().0.detail.starts_with("to: the time is not valid"));
        let long = Query { who: "x".repeat(201), ..Query::default() };
        assert!(long.filter().unwrap_err().0.detail.contains("who is longer than 200 bytes"));
    }
}
