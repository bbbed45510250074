//! The map page in a real browser: what an operator sees is what the zones published.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use reference_server::admin::Admin;
use reference_server::ids::ZoneId;
use reference_server::telemetry::{Distribution, Dot, DotKind, Status, ZoneStatus};
use tokio::process::Command;

/// Far more than a browser needs to start on a slow machine.
const BROWSER_MAX: Duration = Duration::from_secs(120);
/// How long the page lives, in the browser's own virtual time.
const PAGE_LIVES_MS: u32 = 3_000;
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[tokio::test]
async fn the_page_shows_every_zone() {
    let status = Status::new(2, 2, 192.0);
    status.set_ready(true);
    for id in 0..3 {
        status.publish_zone(ZoneStatus {
            zone: ZoneId(id),
            tick: 900,
            players: 40 + id,
            tick_us: Distribution { p50: 400, p99: 1_250, max: 3_000 },
            tick_period_us: 33_333,
            dots: vec![Dot { x: 10.0, y: 20.0, kind: DotKind::Player }],
            ..ZoneStatus::default()
        });
    }
    status.counters().handoffs_committed.add(1_234);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let admin = Admin::start(address, status).await.unwrap();

    let page = dump_page(&format!("http://{}/", admin.address())).await;

    assert!(page.contains("data-state=\"live\""), "the page heard nothing:\n{page}");
    for id in 0..3 {
        let row = page.split(&format!("data-zone=\"{id}\"")).nth(1);
        let row = row.unwrap_or_else(|| panic!("no row for zone {id}:\n{page}"));
        let row = row.split("</tr>").next().unwrap();
        assert!(row.contains(&format!("<td>{}</td>", 40 + id)), "players of zone {id}: {row}");
        assert!(row.contains("1.25 ms"), "tick of zone {id}: {row}");
    }
    assert!(!page.contains("data-zone=\"3\""), "zone 3 has published nothing:\n{page}");
    assert!(page.contains("<dd>1234</dd>"), "no handoffs:\n{page}");
    admin.shut_down().await;
}

/// What the document at `url` has become after its script has run for a while.
async fn dump_page(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    for name in NAMES {
        match run(name, profile.path(), url).await {
            Some(output) => {
                let log = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{name} failed: {log}");
                return String::from_utf8(output.stdout).unwrap();
            }
            None => continue,
        }
    }
    panic!(
        "this test needs a browser, and none of {} is in PATH; `cargo xtask test` installs one \
         where it can, or run `apt-get install -y chromium`",
        NAMES.join(", ")
    );
}

/// What `name` says, or none if there is no such program.
async fn run(name: &str, profile: &Path, url: &str) -> Option<Output> {
    let running = Command::new(name)
        .args(["--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
        // The page is ours; a container has no namespaces to build the sandbox from.
        .arg("--no-sandbox")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--virtual-time-budget={PAGE_LIVES_MS}"))
        .arg("--dump-dom")
        .arg(url)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(BROWSER_MAX, running).await;
    match output.unwrap_or_else(|_| panic!("{name} took longer than {BROWSER_MAX:?}")) {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{name} cannot be started: {error}"),
    }
}
