//! Runs the same tests on every engine: each separately on SQLite, and all of them on one PostgreSQL server, once
//! directly and once through a pooler that uses another session for each transaction.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fixtures::pgbouncer::Pgbouncer;
use fixtures::postgresql::{Postgresql, PostgresqlError};
use tempfile::TempDir;

/// A server, and the databases that were created on it.
struct Databases {
    pooler: Option<Pgbouncer>,
    server: Postgresql,
    made: BTreeSet<String>,
}

thread_local! {
    /// The PostgreSQL server of the tests in this thread; `None` for SQLite.
    static DATABASES: RefCell<Option<Databases>> = const { RefCell::new(None) };
}

fn name(dir: &TempDir) -> String {
    let name = dir.path().file_name().unwrap().to_str().unwrap();
    let name: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    format!("test_{name}")
}

/// URL of the folder's database for the test's own queries, which do not use a pooler.
pub(crate) fn direct(dir: &TempDir) -> String {
    let through = database(dir);
    DATABASES.with_borrow(|databases| {
        databases.as_ref().map_or(through, |databases| databases.server.url(&name(dir)))
    })
}

/// URL of the folder's database, which is created empty by the first call.
pub(crate) fn database(dir: &TempDir) -> String {
    let name = name(dir);
    DATABASES.with_borrow_mut(|databases| match databases {
        None => format!("sqlite://{}", dir.path().join("platen.db").display()),
        Some(Databases { pooler, server, made }) => {
            let direct = server.url(&name);
            if made.insert(name.clone()) {
                server.create_database(&name).unwrap();
                if pooler.is_some() {
                    // As docs/scaling.md says: not through the pooler.
                    migrate_apart(&direct);
                }
            }
            pooler.as_ref().map_or(direct, |pooler| pooler.url(&name))
        }
    })
}

fn migrate_apart(url: &str) {
    let url = url.to_owned();
    let migrate = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(crate::migrate(&url)).unwrap();
    };
    std::thread::spawn(migrate).join().unwrap();
}

/// Whether the test runs on PostgreSQL.
pub(crate) fn on_postgresql() -> bool {
    DATABASES.with_borrow(Option::is_some)
}

/// How a test connects to its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// Directly to the server.
    Nothing,
    /// Through pgbouncer in transaction mode.
    Pooler,
}

fn start(through: Through) -> Result<Databases, PostgresqlError> {
    // The pooler keeps up to three connections to the database of each test.
    let server = Postgresql::start(&["fsync=off", "max_connections=400"])?;
    let pooler = (through == Through::Pooler).then(|| Pgbouncer::start(&server)).transpose()?;
    Ok(Databases { pooler, server, made: BTreeSet::new() })
}

/// Runs a psql script on the folder's database, which must be PostgreSQL.
pub(crate) fn script(dir: &TempDir, script: &str) {
    DATABASES.with_borrow(|databases| {
        databases.as_ref().expect("on PostgreSQL").server.script(&name(dir), script).unwrap();
    });
}

/// Runs tests one after another, each with a database of its own, and reports which of them failed.
pub(crate) fn all_on_postgresql(through: Through, tests: &[(&str, fn())]) {
    let databases = match start(through) {
        Ok(databases) => databases,
        Err(error @ PostgresqlError::NotInstalled) => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    DATABASES.set(Some(databases));
    let mut failed = Vec::new();
    for (name, test) in tests {
        if catch_unwind(AssertUnwindSafe(test)).is_err() {
            failed.push(*name);
        }
    }
    DATABASES.set(None);
    assert!(failed.is_empty(), "failed on PostgreSQL ({through:?} between): {failed:?}");
}

/// Defines a test for each function and each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test().await;
            })+
        }

        fn run(test: impl Future<Output = ()>) {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
        }

        const TESTS: &[(&str, fn())] = &[$((stringify!($test), || run($test())),)+];

        #[test]
        fn on_postgresql() {
            use $crate::tests::engines::{Through, all_on_postgresql};
            all_on_postgresql(Through::Nothing, TESTS);
        }

        #[test]
        fn through_a_pooler() {
            use $crate::tests::engines::{Through, all_on_postgresql};
            all_on_postgresql(Through::Pooler, TESTS);
        }
    };
}

pub(crate) use on_every_engine;
