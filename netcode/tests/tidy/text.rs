//! ASCII in code, and nothing that is left for later.

use crate::{Source, assert_none, code, sources};

/// Words that say "not finished". Put together here, so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("#[", "ignore"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("FIX", "ME"),
];

#[test]
fn code_is_ascii_and_finished() {
    assert_none(&sources("").iter().flat_map(complaints_about).collect::<Vec<_>>());
}

fn complaints_about(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut complaints = Vec::new();
    for (number, line) in source.lines() {
        // Pictures in comments may have arrows and boxes.
        if !code(line).is_ascii() {
            complaints.push(format!("{path}:{number}: not ASCII: {}", line.trim()));
        }
        let unfinished = UNFINISHED.iter().filter(|word| line.contains(**word));
        complaints.extend(unfinished.map(|word| format!("{path}:{number}: `{word}`")));
    }
    complaints
}

#[test]
fn planted_words_are_found() {
    let check = |text: &str| complaints_about(&Source { path: "p".into(), text: text.into() });
    let none: [String; 0] = [];
    assert_eq!(check("let a = 1; // \u{2500}\n"), none);
    assert_eq!(check("let a = \"\u{e9}\";"), ["p:1: not ASCII: let a = \"\u{e9}\";"]);
    for word in UNFINISHED {
        assert_eq!(check(&format!("\n    {word}()")), [format!("p:2: `{word}`")]);
    }
}
