//! The differences between the engines, in one place, so that all other SQL is the same for both.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool};

use super::StoreError;

/// Connections that read.
const READERS: u32 = 4;

/// Connections of PostgreSQL that write at once; each commits groups of changes of its own gateways.
const POSTGRESQL_GROUPS: u16 = 4;

/// Connections of PostgreSQL for changes that belong to no single gateway; each of them is a transaction.
const POSTGRESQL_SINGLES: u16 = 2;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file beside the program.
    Sqlite,
    /// A server that several communication servers share.
    Postgresql,
}

/// The settings of the writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writing {
    /// Writers that commit changes of gateways in groups; a gateway always has the same one.
    pub(crate) groups: u16,
    /// Writers of single changes; if there are none, the groups process these too.
    pub(crate) singles: u16,
}

impl Engine {
    /// The engine of a URL, and the URL in the form that its driver expects.
    pub(crate) fn of(url: &str) -> Result<(Self, String), StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let joint = if path.contains('?') { '&' } else { '?' };
            let creates = path.contains("mode=");
            let url = if creates { url.to_owned() } else { format!("{url}{joint}mode=rwc") };
            return Ok((Self::Sqlite, url));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok((Self::Postgresql, url.to_owned()));
        }
        Err(StoreError::Url { url: without_secret(url) })
    }

    /// The engine behind a connection.
    pub(crate) fn of_connection(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "SQLite" { Self::Sqlite } else { Self::Postgresql }
    }

    /// Its name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        }
    }

    /// Begins a transaction that changes something. SQLite takes its single write lock immediately; PostgreSQL locks
    /// rows.
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgresql => "BEGIN",
        }
    }

    /// Begins a transaction that reads a consistent snapshot.
    pub(crate) const fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgresql => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Ends a `SELECT` whose rows are changed next in the same transaction.
    pub(crate) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgresql => " FOR NO KEY UPDATE",
        }
    }

    /// SQL that creates tables. Texts are compared by their bytes, whatever the locale of the database is: lists are
    /// sorted by keys, and must have the same order everywhere.
    pub(crate) fn tables(self, sql: &'static str) -> Cow<'static, str> {
        match self {
            Self::Sqlite => Cow::Borrowed(sql),
            Self::Postgresql => {
                let comparing = |line: &str| {
                    if line.trim_start().starts_with("--") {
                        line.to_owned()
                    } else {
                        line.replacen(" TEXT", " TEXT COLLATE \"C\"", 1)
                    }
                };
                Cow::Owned(sql.lines().map(comparing).collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// The number of writers: SQLite has one, PostgreSQL several, whose commits share a sync.
    pub(crate) const fn writing(self) -> Writing {
        match self {
            Self::Sqlite => Writing { groups: 1, singles: 0 },
            Self::Postgresql => Writing { groups: POSTGRESQL_GROUPS, singles: POSTGRESQL_SINGLES },
        }
    }

    /// Connections for all writers.
    pub(crate) fn writers(self) -> u32 {
        let Writing { groups, singles } = self.writing();
        u32::from(groups) + u32::from(singles)
    }

    /// Settings of each new connection. WAL allows reading during a write; `synchronous=FULL` syncs each commit (NORMAL
    /// loses acknowledged rows on a power failure). PostgreSQL gets none: behind a pooler, sessions are shared.
    const fn settings(self, reads_only: bool) -> &'static [&'static str] {
        match (self, reads_only) {
            (Self::Sqlite, false) => &SQLITE,
            (Self::Sqlite, true) => &SQLITE_READS,
            (Self::Postgresql, _) => &[],
        }
    }

    /// Readers' connections.
    pub(crate) async fn readers(self, url: &str) -> Result<AnyPool, StoreError> {
        self.pool(url, READERS, true).await
    }

    /// A pool of connections.
    pub(crate) async fn pool(
        self,
        url: &str,
        connections: u32,
        reads_only: bool,
    ) -> Result<AnyPool, StoreError> {
        if let Some(folder) = file_of(url).and_then(|file| file.parent().map(Path::to_owned))
            && !folder.as_os_str().is_empty()
            && !folder.exists()
        {
            return Err(StoreError::NoFolder { folder });
        }
        let settings = self.settings(reads_only);
        AnyPoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for &setting in settings {
                        sqlx::query(setting).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await
            .map_err(|error| StoreError::Open { place: place(url), source: error.into() })
    }
}

/// The file of an SQLite URL.
pub(crate) fn file_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().filter(|path| !path.starts_with(":memory:") && !path.is_empty())?;
    // What `config` encodes; a `%` is last, so that nothing is decoded twice.
    Some(PathBuf::from(path.replace("%3F", "?").replace("%23", "#").replace("%25", "%")))
}

/// The location of a database, for people: a file, or PostgreSQL's host and port.
pub(crate) fn place(url: &str) -> String {
    if let Some(file) = file_of(url) {
        return file.display().to_string();
    }
    let url = without_secret(url);
    let server = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = server.split(['/', '?']).next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let port = if has_port { "" } else { ":5432" };
    format!("PostgreSQL at {host}{port}")
}

/// Whether a URL connects through a pooler in transaction mode: then the driver keeps no prepared statements.
pub(crate) fn is_pooled(url: &str) -> bool {
    url.split_once('?').is_some_and(|(_, options)| {
        options.split('&').any(|option| option.trim_end_matches('/') == "statement-cache-capacity=0")
    })
}

/// Connections to a replica. They are opened on demand, because the replica may be down; a reader waits at most
/// `patience`.
pub(crate) fn replica(url: &str, patience: Duration) -> Result<AnyPool, StoreError> {
    AnyPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(patience)
        .connect_lazy(url)
        .map_err(|error| StoreError::Open { place: place(url), source: error.into() })
}

const SQLITE: [&str; 4] = [
    // How long a writer waits for another program's lock before it gives up.
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -16384",
];

const SQLITE_READS: [&str; 5] = [SQLITE[0], SQLITE[1], SQLITE[2], SQLITE[3], "PRAGMA query_only = ON"];

/// A URL without user and password.
fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://{server}"),
        (None, Some((_, server))) => server.to_owned(),
        (_, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_chooses_the_engine() {
        let engine = Engine::of;
        assert_eq!(engine("sqlite:///a.db").unwrap(), (Engine::Sqlite, "sqlite:///a.db?mode=rwc".to_owned()));
        assert_eq!(engine("sqlite:///a.db?mode=ro").unwrap().1, "sqlite:///a.db?mode=ro");
        assert_eq!(engine("postgres://u:p@h/d").unwrap().0, Engine::Postgresql);
        assert_eq!(engine("postgresql://h/d").unwrap().0, Engine::Postgresql);
        assert_eq!(place("postgres://u:secret@h/d?sslmode=disable"), "PostgreSQL at h:5432");
        assert_eq!(place("postgres://u@h:5999/d"), "PostgreSQL at h:5999");
        assert_eq!(place("sqlite:///a%3Fb.db?mode=rwc"), "/a?b.db");
        let error = engine("mysql://root:secret@h/d").unwrap_err().to_string();
        assert!(
            error.contains("\"mysql://h/d\"") && error.contains("postgres://") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn a_pooler_is_known_by_what_the_url_forbids() {
        assert!(is_pooled("postgres://h/d?sslmode=disable&statement-cache-capacity=0"));
        assert!(!is_pooled("postgres://h/d?statement-cache-capacity=100") && !is_pooled("postgres://h/d"));
    }

    #[test]
    fn texts_are_compared_by_their_bytes() {
        let sql =
            Engine::Postgresql.tables("-- JSON in TEXT\nCREATE TABLE t (\n a TEXT NOT NULL,\n b BIGINT\n);");
        assert_eq!(sql, "-- JSON in TEXT\nCREATE TABLE t (\n a TEXT COLLATE \"C\" NOT NULL,\n b BIGINT\n);");
    }
}
