//! The house rules of the whole workspace, held by a program.
//!
//! | file | rule |
//! | --- | --- |
//! | `imports` | modules import what the tables of ARCHITECTURE.md allow; no cycle can be written |
//! | `purity` | what is told the time reads no clock, opens no socket, starts no thread |
//! | `size` | files, lines and functions have an end |
//! | `text` | ASCII; nothing that is left for later |
//! | `citations` | the book's MUSTs stand beside the code and the test that keep them |
//!
//! Each test lists every place that breaks its rule.

mod citations;
mod imports;
mod purity;
mod size;
mod text;

use std::fs;
use std::path::Path;

/// One source file, its path from the root of the workspace.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("netcode is a folder of the workspace")
}

/// Every Rust file below `folder`, in order of path.
fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs")
}

/// Every file below `folder` with this extension, but what builds and tools leave behind.
fn files(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a folder can be read").path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(Source { path: relative(&path), text: read(&path) });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("it was found below the root");
    inside.to_str().expect("paths are ASCII").replace('\\', "/")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The line without its comment. Knows strings, though not those of several lines.
fn code(line: &str) -> &str {
    let bytes = line.as_bytes();
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' if !in_string && line[at..].starts_with("'\"'") => at += 2,
            b'"' => in_string = !in_string,
            b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => return &line[..at],
            _ => {}
        }
        at += 1;
    }
    line
}

/// Fails with all complaints at once.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn there_is_something_to_look_at() {
    for folder in ["netcode/src", "netcode/tests", "reference-server", "client-sdk", "xtask"] {
        assert!(!sources(folder).is_empty(), "{folder} has no sources");
    }
}

#[test]
fn comments_are_told_from_code() {
    assert_eq!(code("let a = 1; // one"), "let a = 1; ");
    assert_eq!(code(r#"let a = "https://b"; // c"#), r#"let a = "https://b"; "#);
    assert_eq!(code(r#"let a = '"'; // c"#), r#"let a = '"'; "#);
    assert_eq!(code(r#"let a = "\"//"; // c"#), r#"let a = "\"//"; "#);
    assert_eq!(code("    //! doc"), "    ");
}
