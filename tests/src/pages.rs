//! Runs the examples in the documentation.
//!
//! The info string of a fenced block says what it is:
//!
//! | info string | block |
//! |---|---|
//! | `js title="api/worker.js"`, or another language | a file of the example |
//! | the same below `crates/` | a file of the repository, which has the same text |
//! | `console` | commands behind `$ `, each followed by its output |
//! | `text` | the lines that the running server, or `taffrail tail` after it, prints next |
//! | `rust` | a documentation test of this package (`lib.rs`) |
//!
//! `taffrail dev` and `taffrail serve` run beside the commands after them, until
//! the next server starts, and so does `taffrail tail`. A `…` in an output stands for any text, and on a line of
//! its own for any lines. Dates, durations and ids may differ. Examples in Rust are built
//! with the tests, and not by `cargo run`.

use crate::guests::root;
use crate::process::{Folder, Running, Server, example, run, taffrail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// The port in the documentation. Servers take any free one.
const PORT: &str = ":8787";

/// The first words of lines that depend on what is in the cache.
const CACHED: [&str; 3] = ["Compiled ", "Made ", "Making "];

/// Tests and programs of this workspace, which run without this module.
const WORKSPACE: [&str; 3] = ["cargo test", "cargo bench", "cargo run -p"];

/// The start of a command that runs an example of the runtime.
const EXAMPLE: &str = "cargo run -p taffrail-runtime --example ";

/// The compiler of guests.
static COMPILER: LazyLock<String> = LazyLock::new(|| {
    let toolchain = Command::new(root().join("guest-examples/toolchain.sh")).output();
    let path = String::from_utf8(toolchain.unwrap().stdout).unwrap();
    path.trim().to_owned()
});

/// A fenced block that is part of an example.
#[derive(Debug, PartialEq)]
pub enum Block {
    /// A file to write.
    File {
        /// Its path in the folder of the example.
        name: String,
        /// Its text.
        text: String,
    },
    /// Commands to run.
    Console(Vec<Step>),
    /// What the running server prints next.
    Printed(Vec<String>),
}

/// A command and what it prints.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// The command.
    pub command: String,
    /// The lines of its output.
    pub output: Vec<String>,
}

/// The blocks of a page that are examples, each with the number of its line.
///
/// # Errors
///
/// When a block is not part of an example.
pub fn blocks(page: &str) -> Result<Vec<(usize, Block)>, String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let text: Vec<_> = lines
            .by_ref()
            .map(|(line, _)| line.to_owned())
            .take_while(|line| line != "```")
            .collect();
        let (language, title) = info.split_once(" title=").unwrap_or((info, ""));
        let block = match (language, title.trim_matches('"')) {
            ("console", "") => Block::Console(steps(text)),
            ("text", "") => Block::Printed(text),
            ("rust", "") => continue,
            (_, "") => return Err(format!("line {number}: a file without a title")),
            (_, name) => Block::File {
                name: name.to_owned(),
                text: text.join("\n") + "\n",
            },
        };
        blocks.push((number, block));
    }
    Ok(blocks)
}

fn steps(lines: Vec<String>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (None, Some(step)) if step.command.ends_with('\\') => {
                step.command.push('\n');
                step.command += &line;
            }
            (None, Some(step)) => step.output.push(line),
            (None, None) => {}
        }
    }
    steps
}

/// Runs the examples of a page in a folder of their own.
///
/// # Panics
///
/// When an example does not do what the page says.
pub fn check(page: &str) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let blocks = blocks(&text).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut example = Example::new();
    for (line, block) in blocks {
        let place = format!("{page}:{line}");
        match block {
            Block::File { name, text } if name.starts_with("crates/") => {
                let file = fs::read_to_string(root().join(&name)).unwrap();
                assert!(
                    file == text,
                    "{place}: `{name}` has another text: copy it to the page"
                );
            }
            Block::File { name, text } => example.write(&name, &text),
            Block::Console(steps) => steps.iter().for_each(|step| example.run(step, &place)),
            Block::Printed(lines) => example.printed(&lines, &place),
        }
    }
}

/// A folder with files in it, and the server that runs there.
struct Example {
    folder: Folder,
    server: Option<Server>,
    /// The live tail of the server.
    tail: Option<Running>,
}

impl Example {
    /// An example that finds the guest examples and the WIT of the repository
    /// where they are.
    fn new() -> Self {
        let folder = Folder::new();
        let link = |name: &str| symlink(root().join(name), folder.path().join(name)).unwrap();
        link("wit");
        symlink(root(), folder.path().join("taffrail")).unwrap();
        folder.write("guest-examples/README.md", "");
        for name in ["rust", "build.sh", "toolchain.sh"] {
            link(&format!("guest-examples/{name}"));
        }
        // Workers keep their data beside themselves.
        for scripts in ["javascript", "python", "go", "c", "cpp"]
            .map(|language| format!("guest-examples/{language}"))
        {
            copy(&root().join(&scripts), &folder.path().join(&scripts));
        }
        Self {
            folder,
            server: None,
            tail: None,
        }
    }

    fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text);
        if let Some(krate) = name.strip_suffix("Cargo.toml") {
            // The versions that the guest examples have, built once.
            let lock = fs::read(root().join("guest-examples/rust/Cargo.lock")).unwrap();
            self.folder.write(&format!("{krate}Cargo.lock"), lock);
            let target = root().join("target/doc-guests").join(krate);
            fs::create_dir_all(&target).unwrap();
            symlink(target, self.folder.path().join(krate).join("target")).unwrap();
        }
    }

    fn run(&mut self, step: &Step, place: &str) {
        let command = match step.example() {
            Some((name, arguments)) => format!("{} {arguments}", example(name).display()),
            None if WORKSPACE.iter().any(|run| step.command.starts_with(run)) => return,
            None => step.command.replace("cargo run --", "taffrail"),
        };
        if step.command.starts_with("taffrail tail") {
            let tail = Running::spawn(self.shell(&format!("exec {command}")));
            for line in &step.output {
                tail.until_stderr(line);
            }
            self.tail = Some(tail);
            return;
        }
        if step.is_server() {
            self.tail = None;
            self.server = None;
            let command = match step.example() {
                Some(_) => command.replace(PORT, ":0"),
                None => format!("{command} --port 0"),
            };
            let command = self.shell(&format!("exec {command}"));
            self.server = Some(Server::spawn(command));
            return;
        }
        let port = self.port();
        let command = self.shell(&format!("exec 2>&1\n{}", command.replace(PORT, &port)));
        let finished = run(command);
        let printed = finished.stdout.replace(&port, PORT);
        let printed: Vec<_> = printed
            .lines()
            .filter(|line| !CACHED.iter().any(|word| line.starts_with(word)))
            .map(str::to_owned)
            .collect();
        assert!(
            matches(&step.output, &printed),
            "{place}: `{}` prints\n{}\nand not\n{}",
            step.command,
            printed.join("\n"),
            step.output.join("\n"),
        );
    }

    fn printed(&self, expected: &[String], place: &str) {
        let next = || match (&self.tail, &self.server) {
            (Some(tail), _) => tail.until_stdout(""),
            (None, Some(server)) => server.until_stdout(""),
            (None, None) => panic!("{place}: no server runs"),
        };
        let port = self.port();
        let mut expected = expected.iter().peekable();
        while let Some(line) = expected.next() {
            // Any lines, up to the one behind it.
            let (line, skips) = match (line.as_str(), expected.peek()) {
                ("…", None) => return,
                ("…", Some(_)) => (expected.next().unwrap_or(line), true),
                _ => (line, false),
            };
            loop {
                let printed = next().replace(&port, PORT);
                if is_like(&stable(line), &stable(&printed)) {
                    break;
                }
                assert!(
                    skips,
                    "{place}: the server prints\n{printed}\nand not\n{line}"
                );
            }
        }
    }

    fn port(&self) -> String {
        self.server.as_ref().map_or(PORT.to_owned(), |server| {
            format!(":{}", server.address.port())
        })
    }

    /// A command in a shell that has the binary under test on its path.
    fn shell(&self, script: &str) -> Command {
        let taffrail = taffrail();
        let binary = Path::new(taffrail.get_program()).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_") || text.starts_with("RUST") {
                shell.env_remove(&name);
            }
        }
        for (name, value) in taffrail.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.env("PATH", format!("{}:{path}", binary.display()));
        // Not on a terminal, curl would print its progress.
        self.folder.write(".curlrc", "silent\nshow-error\n");
        shell.env("CURL_HOME", self.folder.path());
        // The cache of the tests has no compiler in it.
        shell.env("RUSTC", &*COMPILER);
        shell.env("TAFFRAIL_WASM_RUSTC", &*COMPILER);
        shell
    }
}

impl Step {
    /// Whether it serves until it is stopped.
    fn is_server(&self) -> bool {
        let serves = ["taffrail dev", "taffrail serve", "cargo run -- dev"];
        let starts = serves.iter().any(|serve| self.command.starts_with(serve));
        let is_ready = |line: &String| line.starts_with("Ready on");
        match self.example() {
            Some(_) => self.output.first().is_some_and(is_ready),
            None => starts && self.output.first().is_none_or(is_ready),
        }
    }

    /// The name and the arguments of the example in Rust that it runs.
    fn example(&self) -> Option<(&str, &str)> {
        self.command.strip_prefix(EXAMPLE)?.split_once(" -- ")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".taffrail" {
        } else if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// Whether lines are those that a page shows.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match (expected, printed) {
        ([], printed) => printed.is_empty(),
        ([line, expected @ ..], _) if line == "…" => {
            (0..=printed.len()).any(|skipped| matches(expected, &printed[skipped..]))
        }
        ([line, expected @ ..], [first, printed @ ..]) => {
            is_like(&stable(line), &stable(first)) && matches(expected, printed)
        }
        (_, []) => false,
    }
}

/// Whether a line is one in which each `…` stands for any text.
fn is_like(expected: &str, printed: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else {
        return expected == printed;
    };
    let Some(printed) = printed.strip_prefix(start) else {
        return false;
    };
    let ends = printed.char_indices().map(|(end, _)| end);
    ends.chain([printed.len()])
        .any(|end| is_like(rest, &printed[end..]))
}

/// A line without what differs between runs (dates behind ` @ `, durations,
/// sizes, timestamps and ids), and without blanks at its end.
fn stable(line: &str) -> String {
    let line = line.trim_end();
    let (text, date) = line.rsplit_once(" @ ").unwrap_or((line, ""));
    let date = date.replace(|c: char| c.is_ascii_digit(), "0");
    let mut stable = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        stable += &rest[..start];
        let word = &rest[start..];
        let end = word
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let is_id = word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_measured = ["Time\":", "Memory\":"]
            .iter()
            .any(|key| stable.ends_with(key));
        let differs =
            is_number && (word.len() == 13 || is_measured || after.starts_with(" ms")) || is_id;
        stable += if differs { "0" } else { word };
        rest = after;
    }
    stable + rest + if line == text { "" } else { " @ " } + &date
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_page_has_files_commands_and_output() {
        let page = "# Page\n\n```js title=\"a/worker.js\"\nexport default {};\n```\n\
                    ```console\n$ taffrail invoke a \\\n    --url /\nHello\n$ true\n```\n\
                    ```text\nGET /\n```\n";
        let step = |command: &str, output: &str| Step {
            command: command.to_owned(),
            output: lines(output),
        };
        let found = blocks(page).unwrap();
        assert_eq!(
            found,
            [
                (
                    3,
                    Block::File {
                        name: "a/worker.js".to_owned(),
                        text: "export default {};\n".to_owned(),
                    }
                ),
                (
                    6,
                    Block::Console(vec![
                        step("taffrail invoke a \\\n    --url /", "Hello"),
                        step("true", ""),
                    ])
                ),
                (12, Block::Printed(lines("GET /"))),
            ]
        );
    }

    #[test]
    fn a_block_that_nothing_runs_is_an_error() {
        let error = blocks("text\n\n```js\nconsole.log(1);\n```\n").unwrap_err();
        assert_eq!(error, "line 3: a file without a title");
    }

    #[test]
    fn an_ellipsis_stands_for_text_or_for_lines() {
        for (expected, printed, is_match) in [
            ("a\nb", "a\nb", true),
            ("a", "a\nb", false),
            ("a\n…", "a\nb\nc", true),
            ("…\nc", "a\nb\nc", true),
            ("…\nc", "a\nb", false),
            ("x … z", "x y z", true),
            ("x … z", "x y", false),
        ] {
            let found = matches(&lines(expected), &lines(printed));
            assert_eq!(found, is_match, "{expected:?} {printed:?}");
        }
    }

    #[test]
    fn only_what_differs_between_runs_may_differ() {
        for (one, other, is_same) in [
            (
                "GET / - Ok @ 2026-11-21 02:35:28",
                "GET / - Ok @ 2027-01-01 00:00:00",
                true,
            ),
            (
                "GET /1 - Ok @ 2026-11-21 02:35:28",
                "GET /2 - Ok @ 2026-11-21 02:35:28",
                false,
            ),
            ("cpu 1 ms", "cpu 23 ms", true),
            ("1 logs", "2 logs", false),
            ("{\"cpuTime\":1,\"n\":1}", "{\"cpuTime\":9,\"n\":1}", true),
            ("{\"cpuTime\":1,\"n\":1}", "{\"cpuTime\":1,\"n\":2}", false),
        ] {
            assert_eq!(stable(one) == stable(other), is_same, "{one} {other}");
        }
    }
}
