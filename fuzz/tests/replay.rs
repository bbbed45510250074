//! Every input of every corpus, on stable: what a search once found stays found.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

/// All corpora together; every clone pays for them.
const BYTES_MAX: usize = 300 * 1024;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.expect("a readable folder").path()).collect()
}

#[test]
fn every_entry_of_every_corpus_passes() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let inputs = files(&corpus().join(target.name));
        assert!(!inputs.is_empty(), "the corpus of {} is empty", target.name);
        for path in inputs {
            let bytes = fs::read(&path).expect("a readable input");
            // All of them, so that one run shows all that fails.
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "these inputs fail: {failed:#?}");
}

#[test]
fn corpora_and_targets_match_and_stay_small() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| corpus().join(target.name)).collect();
    assert_eq!(files(&corpus()), names);
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let manifest = manifest.expect("a readable manifest");
    for target in TARGETS {
        let bin = format!("path = \"fuzz_targets/{}.rs\"", target.name);
        assert!(manifest.contains(&bin), "{} has no binary", target.name);
    }
    let all: usize = names.iter().flat_map(|name| files(name)).map(|path| len(&path)).sum();
    assert!(all <= BYTES_MAX, "the corpora hold {all} bytes, the limit is {BYTES_MAX}");
}

fn len(path: &Path) -> usize {
    fs::read(path).expect("a readable input").len()
}

/// The seeds are committed, so that a search on any machine starts from them.
#[test]
fn every_seed_is_in_its_corpus() {
    for target in TARGETS {
        for (name, bytes) in (target.seeds)() {
            let path = corpus().join(target.name).join(&name);
            let hint = "run: cargo run -p fuzz --example seed";
            let committed =
                fs::read(&path).unwrap_or_else(|_| panic!("{path:?} is missing; {hint}"));
            assert!(committed == bytes, "{path:?} is out of date; {hint}");
        }
    }
}
