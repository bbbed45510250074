//! The one tool that tests need and Cargo cannot fetch: a browser, for the admin page.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Programs that will do, by preference. The test of the page looks for the same ones.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const INSTALL: &[&[&str]] = &[
    &["apt-get", "update", "-qq"],
    &["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
];

/// Makes sure that a browser is in `PATH`: installs one if we are root on a Debian, else says
/// what to install.
pub(crate) fn ensure_chromium() -> Result<()> {
    if NAMES.iter().any(|name| find(name).is_some()) {
        return Ok(());
    }
    if find("apt-get").is_none() || !is_root() {
        bail!(
            "the test of the admin page needs a browser in PATH, one of {}; on Debian or Ubuntu \
             run `sudo apt-get install -y chromium`",
            NAMES.join(", ")
        );
    }
    eprintln!("xtask: no browser yet, installing chromium");
    for words in INSTALL {
        let command = words.join(" ");
        let status = Command::new(words[0])
            .args(&words[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .with_context(|| format!("`{command}` cannot be started"))?;
        ensure!(status.success(), "`{command}` failed ({status}); run it by hand to see why");
    }
    Ok(())
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output();
    user.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
