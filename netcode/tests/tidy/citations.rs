//! The book's specification and the code agree about what MUST happen.
//!
//! Code cites a section of the book by file and anchor, then quotes it:
//!
//! ```text
//!     //= book/src/spec/wire.md#packet-numbers
//!     //= type=test                                  (left out: this code implements it)
//!     //# The receiver MUST take the number closest ...
//! ```
//!
//! Every quote stands in its section, word for word; every MUST is quoted beside the code that
//! keeps it and beside a test that would notice. A sentence changed in the book, and a MUST that
//! nobody keeps, both fail here.

use crate::{Source, assert_none, files, sources};

const SPEC: &str = "book/src/spec";

#[derive(Debug, Eq, PartialEq)]
struct Citation {
    place: String,
    target: String,
    is_test: bool,
    quote: String,
}

#[test]
fn every_quote_stands_in_the_section_that_it_cites() {
    let spec = files(SPEC, "md");
    let complaints = citations().into_iter().filter_map(|citation| {
        let (file, anchor) = citation.target.split_once('#')?;
        let text = spec.iter().find(|page| page.path == file).map(|page| page.text.as_str());
        let section = section(text.unwrap_or_default(), anchor).unwrap_or_default();
        let is_found = !citation.quote.is_empty() && section.contains(&citation.quote);
        let Citation { place, target, quote, .. } = citation;
        (!is_found).then(|| format!("{place}: not in {target}: {quote}"))
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_must_is_kept_by_code_and_watched_by_a_test() {
    let spec = files(SPEC, "md");
    assert!(!spec.is_empty(), "the book has no specification");
    let citations = citations();
    let mut complaints = Vec::new();
    for page in &spec {
        for sentence in musts(&page.text) {
            for (is_test, what) in [(false, "code"), (true, "test")] {
                let is_cited = citations.iter().any(|citation| {
                    citation.is_test == is_test
                        && citation.target.starts_with(&page.path)
                        && citation.quote.contains("MUST")
                        && sentence.contains(citation.quote.trim_end_matches('.'))
                });
                if !is_cited {
                    complaints.push(format!("{}: no {what} cites: {sentence}", page.path));
                }
            }
        }
    }
    assert_none(&complaints);
}

fn citations() -> Vec<Citation> {
    // This folder holds examples.
    let all = sources("").into_iter().filter(|file| !file.path.starts_with("netcode/tests/tidy/"));
    all.flat_map(|source| citations_of(&source)).collect()
}

fn citations_of(source: &Source) -> Vec<Citation> {
    let mut found: Vec<Citation> = Vec::new();
    let mut is_open = false;
    for (number, line) in source.lines() {
        let Some(comment) = line.trim().strip_prefix("//") else {
            is_open = false;
            continue;
        };
        if let Some(target) = comment.strip_prefix("= ") {
            match found.last_mut() {
                Some(citation) if is_open && target == "type=test" => citation.is_test = true,
                _ => found.push(Citation {
                    place: format!("{}:{number}", source.path),
                    target: target.trim().to_owned(),
                    is_test: false,
                    quote: String::new(),
                }),
            }
            is_open = true;
        } else if let Some(words) = comment.strip_prefix("# ").filter(|_| is_open)
            && let Some(citation) = found.last_mut()
        {
            if !citation.quote.is_empty() {
                citation.quote.push(' ');
            }
            citation.quote.push_str(words.trim());
        } else {
            is_open = false;
        }
    }
    found
}

/// Every sentence of a page that holds a MUST, on one line. Code blocks and tables have none.
fn musts(markdown: &str) -> Vec<String> {
    let prose = markdown.split("\n```").step_by(2).collect::<Vec<_>>().join("\n\n");
    // A list item or a heading ends what is before it, as an empty line does.
    let blocks = prose.replace("\n- ", "\n\n").replace("\n#", "\n\n#");
    let sentences = blocks.split("\n\n").flat_map(|block| {
        let block = one_line(block);
        let sentences = block.split_inclusive(". ").map(|sentence| sentence.trim().to_owned());
        sentences.collect::<Vec<_>>()
    });
    sentences.filter(|sentence| sentence.contains("MUST")).collect()
}

/// The text under the heading whose anchor is `anchor`, up to the next heading, on one line.
fn section(markdown: &str, anchor: &str) -> Option<String> {
    let sections = markdown.split("\n#").map(|section| section.trim_start_matches('#'));
    sections
        .filter_map(|section| section.split_once('\n'))
        .find(|(title, _)| anchor_of(title) == anchor)
        .map(|(_, body)| one_line(body))
}

/// As mdBook makes it: letters and digits in lower case, hyphens for spaces, no other marks.
fn anchor_of(title: &str) -> String {
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn citations_are_read_as_they_are_written() {
    let text = concat!(
        "\n    //= a.md#b\n    //= type=test\n    //# It MUST\n    //# work.\n    fn a() {}\n",
        "//# not one\n//= c.md#d\n//# Two.\n//= e.md#f\n//# Three.\n",
    );
    let source = Source { path: "p".into(), text: text.into() };
    let citation = |line, target: &str, is_test, quote: &str| Citation {
        place: format!("p:{line}"),
        target: target.into(),
        is_test,
        quote: quote.into(),
    };
    let expected = [
        citation(2, "a.md#b", true, "It MUST work."),
        citation(8, "c.md#d", false, "Two."),
        citation(10, "e.md#f", false, "Three."),
    ];
    assert_eq!(citations_of(&source), expected);
}

#[test]
fn musts_are_sentences_of_prose() {
    let page =
        "# T\n\nOne. Two\nMUST a, b. Three.\n\n```text\nnot MUST\n```\n- Four MUST NOT\n- Five\n";
    assert_eq!(musts(page), ["Two MUST a, b.", "Four MUST NOT"]);
    let page = "# A\nx\n## The server's work\n\ny\nz\n## B\n";
    assert_eq!(section(page, "the-servers-work").as_deref(), Some("y z"));
}
