//! Files, lines and functions have an end, so that each can be read in one sitting.

use crate::{Source, assert_none, sources};

const FILE_LINES_MAX: usize = 600;
const LINE_COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_lines_and_functions_have_an_end() {
    assert_none(&sources("").iter().flat_map(complaints_about).collect::<Vec<_>>());
}

fn complaints_about(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut complaints = Vec::new();
    let lines = source.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{path}: {lines} lines, over {FILE_LINES_MAX}"));
    }
    for (number, line) in source.lines() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            complaints.push(format!("{path}:{number}: {columns} columns, over {LINE_COLUMNS_MAX}"));
        }
    }
    for (number, name, lines) in functions(&source.text) {
        if lines > FUNCTION_LINES_MAX {
            complaints.push(format!(
                "{path}:{number}: `{name}` has {lines} lines, over {FUNCTION_LINES_MAX}"
            ));
        }
    }
    complaints
}

/// Where functions begin, their names and lengths. Relies on rustfmt: what closes a function
/// stands as far in as what opens it.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_end = |line: &&str| {
            let inside = line.strip_prefix(indent).unwrap_or_default();
            inside == "}" || (inside.starts_with(')') && inside.ends_with(';'))
        };
        let is_short = line.ends_with(';') || line.ends_with('}');
        let length = match lines[start..].iter().position(is_end) {
            Some(end) if !is_short => end + 1,
            _ => 1,
        };
        found.push((start + 1, name, length));
    }
    found
}

/// The name of the function that the line begins.
fn function_name(line: &str) -> Option<&str> {
    let qualifiers =
        ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let mut words = line.split_whitespace().skip_while(|word| qualifiers.contains(word));
    if words.next() != Some("fn") {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

#[test]
fn a_function_is_measured_from_its_signature_to_its_brace() {
    let text = concat!(
        "fn a() {\n    b();\n}\n\n",
        "trait T {\n    fn c(\n        &self,\n    );\n    fn d();\n",
        "    pub(crate) async fn e<T>(\n        x: T,\n    ) {\n        fn f() {}\n    }\n}\n",
    );
    let expected = [(1, "a", 3), (6, "c", 3), (9, "d", 1), (10, "e", 5), (13, "f", 1)];
    assert_eq!(functions(text), expected);
}

#[test]
fn what_is_too_long_is_found() {
    let check = |text: String| complaints_about(&Source { path: "p".into(), text });
    let none: [String; 0] = [];
    assert_eq!(check("//\n".repeat(600)), none);
    assert_eq!(check("//\n".repeat(601)), ["p: 601 lines, over 600"]);
    assert_eq!(check("\u{2500}".repeat(100)), none);
    assert_eq!(check("x".repeat(101)), ["p:1: 101 columns, over 100"]);
    assert_eq!(check(format!("fn a() {{\n{}}}\n", "    b();\n".repeat(68))), none);
    let long = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(69));
    assert_eq!(check(long), ["p:1: `a` has 71 lines, over 70"]);
}
