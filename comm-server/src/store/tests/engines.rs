//! The same tests on every engine: each one on SQLite by itself, and all of them on one PostgreSQL.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fixtures::postgresql::{Postgresql, PostgresqlError};
use tempfile::TempDir;

/// A server with the databases that were made on it.
struct Databases {
    server: Postgresql,
    made: BTreeSet<String>,
}

thread_local! {
    /// The server of the tests that run in this thread, where it is PostgreSQL.
    static DATABASES: RefCell<Option<Databases>> = const { RefCell::new(None) };
}

/// URL of the folder's database, empty when it is first asked for.
pub(crate) fn database(dir: &TempDir) -> String {
    let name = dir.path().file_name().unwrap().to_str().unwrap();
    let name: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    let name = format!("test_{name}");
    DATABASES.with_borrow_mut(|databases| match databases {
        None => format!("sqlite://{}", dir.path().join("platen.db").display()),
        Some(Databases { server, made }) => {
            if made.insert(name.clone()) {
                server.create_database(&name).unwrap();
            }
            server.url(&name)
        }
    })
}

/// Whether the test runs on PostgreSQL.
pub(crate) fn on_postgresql() -> bool {
    DATABASES.with_borrow(Option::is_some)
}

/// Runs tests one after another, each with a database of its own, and tells which of them failed.
pub(crate) fn all_on_postgresql(tests: &[(&str, fn())]) {
    let server = match Postgresql::start(&["fsync=off"]) {
        Ok(server) => server,
        Err(error @ PostgresqlError::NotInstalled) => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    DATABASES.set(Some(Databases { server, made: BTreeSet::new() }));
    let mut failed = Vec::new();
    for (name, test) in tests {
        if catch_unwind(AssertUnwindSafe(test)).is_err() {
            failed.push(*name);
        }
    }
    DATABASES.set(None);
    assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
}

/// Makes a test of each function for each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test().await;
            })+
        }

        #[test]
        fn on_postgresql() {
            fn run(test: impl Future<Output = ()>) {
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
            }
            $crate::store::tests::engines::all_on_postgresql(&[
                $((stringify!($test), || run($test())),)+
            ]);
        }
    };
}

pub(crate) use on_every_engine;
