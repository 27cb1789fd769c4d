//! Backups in files, restored to the same and to the other engine.

use std::collections::BTreeSet;
use std::path::Path;

use super::tables::{LEFT_OUT, TABLES};
use super::*;
use crate::Store;
use crate::db::failed;
use crate::testing::scope;
use crate::tests::engines::{database, on_every_engine};
use crate::tests::filled;

on_every_engine! {
    a_backup_is_restored_on_either_engine,
    half_a_backup_and_a_full_database_are_refused,
}

async fn lines_of(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let text = io::read_to_string(zstd::Decoder::new(file).unwrap()).unwrap();
    // The head has the time and the engine, the tail the digest of it.
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    lines.pop();
    lines.sort();
    std::future::ready(lines).await
}

async fn a_backup_is_restored_on_either_engine() {
    let opened = filled().await;
    let first = opened.dir.path().join("first.zst");
    let done = backup(&database(&opened.dir), &first).await.unwrap();
    assert!(done.rows > 10, "{done:?}");

    let other = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", other.path().join("other.db").display());
    for url in [sqlite, database(&other)] {
        if url.starts_with("sqlite") && std::fs::exists(other.path().join("platen.db")).unwrap() {
            continue;
        }
        assert_eq!(restore(&url, &first).await.unwrap().rows, done.rows);
        let again = other.path().join(format!("again-{}.zst", url.len()));
        backup(&url, &again).await.unwrap();
        assert_eq!(lines_of(&again).await, lines_of(&first).await);
        let store = Store::open_detached(&url).await.unwrap();
        assert!(store.check().await.is_ok());
        assert_eq!(store.of(&scope()).gateways(None).await.unwrap().items.len(), 1);
    }
}

async fn half_a_backup_and_a_full_database_are_refused() {
    let opened = filled().await;
    let url = database(&opened.dir);
    let whole = opened.dir.path().join("whole.zst");
    backup(&url, &whole).await.unwrap();
    assert!(matches!(backup(&url, &whole).await, Err(BackupError::Exists { .. })), "the file exists");
    let full = restore(&url, &whole).await.unwrap_err();
    assert!(matches!(full, BackupError::NotEmpty { table: "gateways" }), "{full}");

    let fresh = tempfile::tempdir().unwrap();
    let text = io::read_to_string(zstd::Decoder::new(std::fs::File::open(&whole).unwrap()).unwrap());
    let text = text.unwrap();
    let without_tail = text.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    let changed = text.replacen("gw-1", "gw-2", 1);
    let cut: String = text.chars().take(text.len() / 2).collect();
    for bad in [without_tail, changed, cut, "{}\n".to_owned(), String::new()] {
        let file = fresh.path().join("bad.zst");
        std::fs::write(&file, zstd::encode_all(bad.as_bytes(), 3).unwrap()).unwrap();
        let refused = restore(&database(&fresh), &file).await.unwrap_err();
        assert!(matches!(refused, BackupError::Content { .. }), "{refused}");
    }
    // Nothing was changed by any of them.
    assert!(restore(&database(&fresh), &whole).await.is_ok());
}

#[tokio::test]
async fn every_table_is_backed_up_or_left_out_on_purpose() {
    let opened = crate::tests::opened().await;
    let found = sqlx::query(
        "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
         AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut *opened.store.reader().await.unwrap())
    .await
    .map_err(failed("read tables"))
    .unwrap();
    let found: BTreeSet<String> =
        found.iter().map(|row| crate::db::row::text(row, "line").unwrap()).collect();
    let known = TABLES.iter().copied().chain(LEFT_OUT.iter().map(|(table, _)| *table));
    assert_eq!(found, known.map(str::to_owned).collect());
}
