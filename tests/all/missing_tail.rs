//! A tail consumer that is not among the Workers given.

use taffrail_tests::process::{Folder, Server};

const WARNING: &str = "warning: w/wrangler.toml: `tail_consumers` of Worker `w` has the service `logs`, which is not among the Workers given (`w`): the items for it are lost. Pass its directory too";

/// A Worker whose tail consumer, named in its file twice, is somewhere else.
fn without_tail() -> Folder {
    let folder = Folder::new();
    let tails = "tail_consumers = [{ service = \"logs\" }, { service = \"logs\" }]";
    folder.worker("w", "hello", tails);
    folder
}

/// How often `text` is in the output.
fn count(output: &str, text: &str) -> usize {
    output.matches(text).count()
}

#[test]
fn invoke_warns_of_it_and_counts_what_it_misses() {
    let finished = without_tail().run(&["invoke", "w", "--items", "items"]);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "Hello from /\n")
    );
    let mut lines = finished.stderr.lines();
    assert_eq!(lines.next(), Some(WARNING));
    let told = lines.next().unwrap();
    // The first item, with or without the second one.
    assert!(
        told.contains("tail consumer `logs`: ")
            && told.ends_with(" item(s) lost so far, the last since it is not deployed"),
        "{told}"
    );
    assert_eq!(lines.next(), None);
}

#[test]
fn dev_warns_of_it_and_says_at_the_end_what_it_missed() {
    let folder = Folder::new();
    folder.worker("w", "hello", "tail_consumers = [{ service = \"logs\" }]");
    let mut command = folder.taffrail(&["dev", "w", "--port", "0"]);
    command.env("TAFFRAIL_LOG", "warn");
    let server = Server::spawn(command);
    for _ in 0..3 {
        assert_eq!(server.get("/").body, "Hello from /\n");
    }
    // Items that are lost together are reported together.
    server.until_stderr(" item(s) lost so far, the last since it is not deployed");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.ends_with(
            "warning: tail consumer `logs`: 3 of 3 item(s) lost: it is not deployed (3)\n"
        ),
        "{}",
        finished.stderr
    );
    assert_eq!(count(&finished.stderr, "lost so far"), 0);
}

#[test]
fn serve_refuses_to_start_without_it() {
    let folder = without_tail();
    let finished = Server::try_spawn(folder.taffrail(&["serve", "w", "--port", "0"]))
        .err()
        .unwrap();
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.stderr,
        "error: w/wrangler.toml: `tail_consumers` of Worker `w` has the service `logs`, which is not among the Workers given (`w`); pass its directory too\n"
    );
}

#[test]
fn the_environment_that_names_it_is_the_one_that_is_warned_of() {
    let folder = Folder::new();
    let tails = "[env.staging]\ntail_consumers = [{ service = \"logs-staging\" }]";
    folder.worker("w", "hello", tails);
    let finished = folder.run(&["invoke", "w", "--items", "items"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let staging = ["invoke", "w", "--env", "staging", "--items", "items"];
    let finished = folder.run(&staging);
    assert_eq!(finished.code, Some(0));
    let warning = "warning: w/wrangler.toml: `tail_consumers` of Worker `w-staging` has the service `logs-staging`, which is not among the Workers given (`w-staging`): ";
    assert_eq!(count(&finished.stderr, warning), 1, "{}", finished.stderr);
}
