//! Every committed input of every fuzz target, so that a fault which was found once can't return.

use std::path::Path;

/// Every folder of the corpus has a target, every target has a folder with files, and no file causes a panic.
#[test]
fn the_whole_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut folders: Vec<_> =
        std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, fuzz_targets::ALL.map(|(name, _)| name));
    for (name, target) in fuzz_targets::ALL {
        let mut files = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{} breaks the target {name}", path.display());
            }
            files += 1;
        }
        assert!(files >= 3, "{name}: {files} files");
    }
}

/// Each file also passes when it is truncated anywhere.
#[test]
fn the_corpus_passes_cut_short() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (name, target) in fuzz_targets::ALL {
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            for cut in (0..data.len()).step_by(data.len() / 40 + 1) {
                target(&data[..cut]);
            }
        }
    }
}
