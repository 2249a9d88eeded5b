//! Wrangler itself, from the npm registry.

use crate::guests;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The last version that runs on Node.js 20, too.
const VERSION: &str = "4.86.0";

/// The folder that it is installed in, once for all tests: it takes some seconds, and 195 MB with
/// what it needs to start.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let kept = guests::root().join(format!("target/wrangler-{VERSION}"));
    if kept.exists() {
        return kept;
    }
    let making = kept.with_extension(std::process::id().to_string());
    fs::create_dir_all(&making).unwrap();
    let installed = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error", &format!("wrangler@{VERSION}")])
        .current_dir(&making)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&installed.stderr);
    assert!(
        installed.status.success(),
        "wrangler cannot be installed: {said}"
    );
    // Another process may have been faster.
    if fs::rename(&making, &kept).is_err() {
        fs::remove_dir_all(&making).unwrap();
    }
    kept
});

/// A command that runs wrangler for an account whose API is at this URL. It sends nothing
/// elsewhere.
#[must_use]
pub fn wrangler(api: &str, token: &str) -> Command {
    let mut command = Command::new("node");
    command
        .arg(INSTALLED.join("node_modules/wrangler/bin/wrangler.js"))
        .env("CLOUDFLARE_API_BASE_URL", api)
        .env("CLOUDFLARE_API_TOKEN", token)
        .env("CLOUDFLARE_ACCOUNT_ID", "local")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("NO_COLOR", "1")
        .env("TZ", "UTC");
    command
}
