//! Variables and secrets that are in files beside a configuration, as Wrangler
//! reads them: `.dev.vars`, and where there is none `.env` files.

use taffrail_tests::process::{Folder, run};
use taffrail_tests::scenario::{invoke, refused};

const SAY: &str = "export default { fetch(request, env) { return Response.json(env); } };";

fn worker(more: &str, files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    folder.script("w", SAY, more);
    for (name, text) in files {
        folder.write(&format!("w/{name}"), text);
    }
    folder
}

/// All its variables.
async fn vars(folder: &Folder) -> String {
    let (answer, _) = invoke(folder, &["w"]).await;
    answer.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn env_files_are_read_where_there_is_no_dev_vars() {
    let config = "[vars]\nA = \"toml\"\nB = \"toml\"\n[env.live]\n[env.live.vars]\nA = \"toml\"";
    let files = [
        (
            ".env",
            "A=env\nC=env\nHOST=x.test\nURL=https://$HOST/${PATH_:-p}",
        ),
        (".env.local", "C=local\n"),
        (".env.live", "C=live\nD=live\n"),
        (".env.live.local", "D='live local'\n"),
    ];
    let folder = worker(config, &files);
    assert_eq!(
        vars(&folder).await,
        r#"{"A":"env","B":"toml","C":"local","HOST":"x.test","URL":"https://x.test/p"}"#
    );
    let finished = folder.run(&["invoke", "w", "--env", "live"]);
    assert_eq!(
        finished.stdout,
        r#"{"A":"env","C":"live","D":"live local","HOST":"x.test","URL":"https://x.test/p"}"#
    );
    folder.write("w/.dev.vars", "B=dev\n");
    assert_eq!(vars(&folder).await, r#"{"A":"toml","B":"dev"}"#);

    // `serve` is for what is in production, which has its secrets elsewhere.
    let server = folder.start(&["serve", "w", "--format", "none"]);
    let answer = server.get("/");
    assert_eq!(answer.body, r#"{"A":"toml","B":"toml"}"#);
}

#[test]
fn a_worker_that_says_which_secrets_it_has_gets_no_others() {
    let config = "[secrets]\nrequired = [\"KEY\", \"FROM_PROCESS\", \"NONE\"]";
    let folder = worker(config, &[(".env", "KEY=hunter2\nOTHER=hunter3\n")]);
    let mut command = folder.taffrail(&["invoke", "w"]);
    command.env("FROM_PROCESS", "hunter4");
    let finished = run(command);
    assert_eq!(
        finished.stdout,
        r#"{"FROM_PROCESS":"hunter4","KEY":"hunter2"}"#
    );
    let warning = "warning: w/wrangler.toml: `secrets.required` has `NONE` without a value; add it to `.dev.vars` or `.env`\n";
    assert!(finished.stderr.starts_with(warning), "{}", finished.stderr);
    assert!(!finished.stderr.contains("hunter"), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_an_env_file_is_told_without_what_it_holds() {
    let folder = worker("", &[(".env", "A=1\nhunter2\n")]);
    assert_eq!(
        refused(&folder, &["w"]).await,
        "w/.env:2: expected KEY=VALUE, or a comment that begins with #"
    );
}

#[test]
fn dev_reads_an_env_file_again_when_it_changes() {
    let folder = worker("", &[(".env.local", "A=1\n")]);
    let server = folder.start(&["dev", "w", "--format", "none"]);
    assert_eq!(server.get("/").body, r#"{"A":"1"}"#);
    folder.write("w/.env.local", "A=2\n");
    server.until_stderr("Reloaded w");
    assert_eq!(server.get("/").body, r#"{"A":"2"}"#);
}
