//! The project's automation.

mod browser;

fn main() -> anyhow::Result<()> {
    // Before any test: `reference-server`'s `page` test drives a browser.
    browser::ensure_chromium()
}
