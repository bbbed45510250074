//! The demo from end to end, as a user starts it.

use std::process::Stdio;
use std::time::Duration;

use reference_server::demo::report::Report;
use tokio::process::Command;

/// Far more than the run takes, on a machine that does other things too.
const RUN_MAX: Duration = Duration::from_secs(90);

#[tokio::test]
async fn bots_log_in_are_matched_play_and_cross_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_reference-server"));
    command
        .args(["demo", "--bots", "24", "--zones", "2x2", "--seconds", "15", "--headless"])
        .args(["--rtt", "40", "--jitter", "5", "--loss", "2", "--report"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::time::timeout(RUN_MAX, command.output()).await.expect("it ends").unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");

    let report: Report = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report.violations(), Vec::<String>::new(), "{log}");
    assert_eq!(report.bots, 24);
    assert!(report.matchmaking.matches > 0, "{report}");
    assert!(report.handoff.committed > 0, "{report}");
    assert!(report.persistence.items_created > 0, "{report}");
    assert!(report.persistence.events > 0, "{report}");
    assert!(report.network.rtt_ms_p50 >= 30.0, "the weather is not in the way: {report}");
    assert!(report.network.down_bytes_per_client_s > 0.0, "{report}");
}

#[tokio::test]
async fn wrong_options_are_explained() {
    for (option, value, wanted) in [
        ("--zones", "9x9", "rows by columns"),
        ("--loss", "80", "percent from 0 to 50"),
        ("--bots", "0", "1..=5000"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reference-server"));
        let output = command.args(["demo", option, value]).output().await.unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(wanted), "{said}");
    }
}
