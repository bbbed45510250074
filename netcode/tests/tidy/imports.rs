//! The import tables of ARCHITECTURE.md are law, and they cannot describe a cycle.

use std::collections::BTreeMap;

use crate::{assert_none, code, read, root, sources};

/// Module name to the modules it may import.
type Table = BTreeMap<String, Vec<String>>;

/// The packages that have a table, and where their sources are.
const PACKAGES: &[(&str, &str)] = &[
    ("netcode", "netcode/src/"),
    ("reference-server", "reference-server/src/"),
    ("client-sdk/core", "client-sdk/core/src/"),
];

#[test]
fn modules_import_only_what_the_tables_allow() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let mut complaints = Vec::new();
    for (package, folder) in PACKAGES {
        let table = table_of(&architecture, package);
        for source in sources(folder) {
            let inside = source.path.strip_prefix(folder).expect("it is below it");
            complaints.extend(complaints_about(&table, &source.path, inside, &source.text));
        }
    }
    assert_none(&complaints);
}

/// Checks the imports of one file, which stands at `inside` in the sources of its package.
fn complaints_about(table: &Table, path: &str, inside: &str, text: &str) -> Vec<String> {
    let Some(module) = top_level_module(inside) else { return Vec::new() };
    let Some(allowed) = table.get(module) else {
        return vec![format!("{path}: `{module}` has no row in ARCHITECTURE.md")];
    };
    let is_top = inside == format!("{module}.rs") || inside == format!("{module}/mod.rs");
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = code(line);
        for import in imports(line) {
            if import != module && !allowed.iter().any(|allowed| allowed == import) {
                complaints.push(format!("{path}:{number}: `{module}` may not import `{import}`"));
            }
        }
        // Above a top-level module is the root of the crate, which imports nothing from itself.
        if is_top && (line.starts_with("use super::") || line.starts_with("pub use super::")) {
            complaints.push(format!("{path}:{number}: name the module with `crate::`"));
        }
    }
    complaints
}

/// Reads the table of a package, asserting that each row names only rows above it.
fn table_of(architecture: &str, package: &str) -> Table {
    let (_, tables) = architecture.split_once("\n## Import tables\n").expect("there is a chapter");
    let tables = tables.split("\n## ").next().unwrap_or_default();
    let heading = format!("\n### `{package}`\n");
    let (_, section) =
        tables.split_once(&heading).unwrap_or_else(|| panic!("`{package}` has no table"));
    read_table(section.split("\n### ").next().unwrap_or_default())
}

fn read_table(markdown: &str) -> Table {
    let mut table = Table::new();
    for row in markdown.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1).map(|cell| cell.split('`').skip(1).step_by(2));
        let module = cells.next().and_then(|mut cell| cell.next()).expect("a row has a name");
        let allowed: Vec<_> = cells.next().expect("and imports").map(str::to_owned).collect();
        for import in &allowed {
            assert!(
                table.contains_key(import),
                "`{module}` names `{import}`, which is not above it"
            );
        }
        let before = table.insert(module.to_owned(), allowed);
        assert!(before.is_none(), "`{module}` has two rows");
    }
    table
}

/// `connection/error.rs` and `connection.rs` belong to `connection`; `lib.rs` to none.
fn top_level_module(inside: &str) -> Option<&str> {
    let first = inside.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib" && module != "main").then_some(module)
}

/// What follows each `crate::`. A capital or a brace is named whole, so that it is an error:
/// items are imported from the module that defines them, one module a line.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 { rest } else { &rest[..end] }
    })
}

#[test]
#[should_panic(expected = "`a` names `b`, which is not above it")]
fn a_cycle_cannot_be_written_down() {
    read_table("| module | may import |\n|---|---|\n| `a` | `b` | |\n| `b` | `a` | |");
}

#[test]
fn a_planted_import_is_found() {
    let table = read_table("| `low` | | x |\n| `high` | `low` | y |");
    let check = |inside, text| complaints_about(&table, "p", inside, text);
    let none: [String; 0] = [];
    assert_eq!(check("high/part.rs", "use crate::low::Thing;\nuse crate::high::Other;"), none);
    assert_eq!(check("low.rs", "// see crate::high\nmod tests {\n    use super::X;\n}"), none);
    assert_eq!(check("lib.rs", "use crate::high::Thing;"), none);
    let expected = ["p:2: `low` may not import `high`"];
    assert_eq!(check("low/part.rs", "\nlet a = crate::high::thing();"), expected);
    assert_eq!(check("low.rs", "\npub(crate) use crate::high::thing;"), expected);
    assert_eq!(check("high.rs", "use crate::Thing;"), ["p:1: `high` may not import `Thing`"]);
    assert_eq!(check("high.rs", "use super::low::Thing;"), ["p:1: name the module with `crate::`"]);
    assert_eq!(check("new.rs", ""), ["p: `new` has no row in ARCHITECTURE.md"]);
}
