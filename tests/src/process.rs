//! The `taffrail` binary as a user runs it.

use crate::client::{self, Answer};
pub use crate::folder::Folder;
use crate::guests;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long a test waits for something that always comes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to start, and any command to end: the first one
/// that runs a script makes the JavaScript engine.
const START_PATIENCE: Duration = Duration::from_secs(300);

static BINARY: LazyLock<PathBuf> =
    LazyLock::new(|| program(&build(&["--bin", "taffrail"]), "taffrail"));

/// The folder of the examples of all crates.
static EXAMPLES: LazyLock<Vec<PathBuf>> = LazyLock::new(|| build(&["--examples"]));

/// The benchmarks that tests run, too.
static BENCHES: LazyLock<Vec<PathBuf>> =
    LazyLock::new(|| build(&["--bench", "instructions", "--bench", "soak"]));

/// The profile that this program was built with.
///
/// # Panics
///
/// When the program is not where cargo has put it.
#[must_use]
pub fn profile() -> String {
    let own = std::env::current_exe().unwrap();
    let mut folders = own.ancestors().skip(1);
    let is_profile = |folder: &&Path| !folder.ends_with("deps") && !folder.ends_with("examples");
    let folder = folders.find(is_profile).and_then(Path::file_name);
    match folder.unwrap().to_str().unwrap() {
        // The one profile whose folder has another name.
        "debug" => "dev".to_owned(),
        name => name.to_owned(),
    }
}

/// Builds targets of the workspace with the profile and into the target directory of the tests,
/// and returns the paths of the programs.
fn build(targets: &[&str]) -> Vec<PathBuf> {
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(guests::root())
        .args(["build", "--quiet", "--workspace"])
        .args(["--message-format", "json-render-diagnostics", "--profile"])
        .arg(profile())
        .args(targets)
        .stderr(Stdio::inherit());
    // What cargo tells this process of its package would have build scripts
    // run again, and most of the build behind them.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            build.env_remove(&name);
        }
    }
    let built = build.output().unwrap();
    assert!(built.status.success(), "{targets:?} cannot be built");
    let messages = items(&String::from_utf8(built.stdout).unwrap()).into_iter();
    messages
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect()
}

/// The path of a built example.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    program(&EXAMPLES, name)
}

/// The path of a built benchmark that a test runs.
#[must_use]
pub fn bench(name: &str) -> PathBuf {
    program(&BENCHES, name)
}

/// The program of a target, after whose name cargo may have put a hash.
fn program(built: &[PathBuf], target: &str) -> PathBuf {
    let is_it = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('-').next() == Some(target)
    };
    let program = built.iter().find(is_it);
    program
        .unwrap_or_else(|| panic!("no `{target}` in {built:?}"))
        .clone()
}

/// A command that runs `taffrail` from the root of the repository, without
/// colour and without a terminal, in UTC and with a cache of its own.
#[must_use]
pub fn taffrail() -> Command {
    taffrail_at(&BINARY)
}

/// The same with another build of it.
#[must_use]
pub fn taffrail_at(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(guests::root())
        .env("TZ", "UTC")
        .env("XDG_CACHE_HOME", guests::cache_home())
        .env_remove("TAFFRAIL_LOG")
        .stdin(Stdio::null());
    command
}

impl Folder {
    /// A command that runs `taffrail` in this folder.
    #[must_use]
    pub fn taffrail(&self, arguments: &[&str]) -> Command {
        let mut command = taffrail();
        command.current_dir(self.path()).args(arguments);
        command
    }

    /// Runs `taffrail` in this folder to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(self.taffrail(arguments))
    }

    /// Starts a server in this folder, on any free port.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Server {
        let mut command = self.taffrail(arguments);
        command.args(["--port", "0"]);
        Server::spawn(command)
    }
}

/// What is left of a process that ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// The rest of its stdout.
    pub stdout: String,
    /// The rest of its stderr, but for lines that tell how long something took.
    pub stderr: String,
}

impl Finished {
    /// The lines on stdout, each of which is JSON.
    ///
    /// # Panics
    ///
    /// When a line is something else.
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        items(&self.stdout)
    }
}

/// Runs `taffrail invoke` to its end, and returns the items, too, which do not
/// go to stdout.
///
/// # Panics
///
/// When it does not end in time, or writes no items.
#[must_use]
pub fn run_recorded(mut command: Command) -> (Finished, Vec<Value>) {
    let folder = Folder::new();
    let file = folder.path().join("items.jsonl");
    command.arg("--items").arg(&file);
    let finished = run(command);
    let text = fs::read_to_string(file).unwrap();
    (finished, items(&text))
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it takes too long.
#[must_use]
pub fn run(command: Command) -> Finished {
    Process::spawn(command).finish()
}

/// A process whose output is read while it runs. It is killed when it is
/// dropped.
struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Process {
    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Both pipes end with the process, so that the wait behind them is short.
    fn finish(mut self) -> Finished {
        let stdout = rest(&self.stdout);
        let stderr = rest(&self.stderr);
        let stderr = stderr
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("Compiled "))
            .collect();
        Finished {
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A command that runs beside the test, killed when it is dropped.
pub struct Running(Process);

impl Running {
    /// Starts a command.
    #[must_use]
    pub fn spawn(command: Command) -> Self {
        Self(Process::spawn(command))
    }

    /// The next line on stderr that contains `text`.
    ///
    /// # Panics
    ///
    /// When there is none in time; what came instead is the message.
    pub fn until_stderr(&self, text: &str) -> String {
        until(&self.0.stderr, text)
    }

    /// The next line on stdout that contains `text`.
    ///
    /// # Panics
    ///
    /// When there is none in time; what came instead is the message.
    pub fn until_stdout(&self, text: &str) -> String {
        until(&self.0.stdout, text)
    }

    /// Sends it a signal, `TERM` or `INT`.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal(&self, name: &str) {
        self.0.signal(name);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.0.finish()
    }
}

/// A running `taffrail dev` or `taffrail serve`, killed when it is dropped.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `taffrail` at the root of the repository with these arguments
    /// and `--port 0`, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it stops instead; its stderr is the message.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = taffrail();
        command.args(arguments).args(["--port", "0"]);
        Self::spawn(command)
    }

    /// Starts a command that runs a server.
    ///
    /// # Panics
    ///
    /// When it stops before it listens.
    #[must_use]
    pub fn spawn(command: Command) -> Self {
        let started = Self::try_spawn(command);
        started.unwrap_or_else(|finished| panic!("it stopped: {}", finished.stderr))
    }

    /// Starts a command that may refuse to run a server.
    ///
    /// # Errors
    ///
    /// When it stops before it listens.
    ///
    /// # Panics
    ///
    /// When it does neither in time.
    pub fn try_spawn(command: Command) -> Result<Self, Finished> {
        let process = Process::spawn(command);
        let mut seen = String::new();
        loop {
            match process.stderr.recv_timeout(START_PATIENCE) {
                Ok(line) => match line.trim_end().split_once("Ready on http://") {
                    Some((_, address)) => {
                        return Ok(Self {
                            address: address.parse().unwrap(),
                            process,
                        });
                    }
                    None => seen += &line,
                },
                Err(RecvTimeoutError::Timeout) => {
                    panic!("not ready in {START_PATIENCE:?}, but:\n{seen}")
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let mut finished = process.finish();
                    finished.stderr.insert_str(0, &seen);
                    return Err(finished);
                }
            }
        }
    }

    /// Gets a path, on a connection of its own.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        client::get(self.address, path)
    }

    /// The next line on stderr that contains `text`.
    ///
    /// # Panics
    ///
    /// When there is none in time; what came instead is the message.
    pub fn until_stderr(&self, text: &str) -> String {
        until(&self.process.stderr, text)
    }

    /// The next line on stdout that contains `text`.
    ///
    /// # Panics
    ///
    /// When there is none in time; what came instead is the message.
    pub fn until_stdout(&self, text: &str) -> String {
        until(&self.process.stdout, text)
    }

    /// The next item, of a server that prints items as JSON.
    ///
    /// # Panics
    ///
    /// When there is none in time.
    #[must_use]
    pub fn item(&self) -> Value {
        parse(&self.until_stdout(""))
    }

    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// The most memory that the process has had, in bytes.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: usize = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no VmHWM in: {status}"));
        kib << 10
    }

    /// Sends it a signal, `TERM` or `INT`.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits until it has stopped.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.process.finish()
    }

    /// Asks it to stop, as a process manager does, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[must_use]
    pub fn terminate(self) -> Finished {
        self.signal("TERM");
        self.finish()
    }
}

fn items(lines: &str) -> Vec<Value> {
    lines.lines().map(parse).collect()
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Reads a stream line by line, each with its end.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    let mut stream = BufReader::new(stream);
    thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(String::from_utf8_lossy(&line).into()).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

fn until(lines: &Receiver<String>, text: &str) -> String {
    let mut seen = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(text) => return line.trim_end().to_owned(),
            Ok(line) => seen += &line,
            Err(RecvTimeoutError::Timeout) => panic!("no `{text}` in {PATIENCE:?}, but:\n{seen}"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("no `{text}` before the end, but:\n{seen}")
            }
        }
    }
}

fn rest(lines: &Receiver<String>) -> String {
    let mut seen = String::new();
    loop {
        match lines.recv_timeout(START_PATIENCE) {
            Ok(line) => seen += &line,
            Err(RecvTimeoutError::Timeout) => panic!("no end in {START_PATIENCE:?}, but:\n{seen}"),
            Err(RecvTimeoutError::Disconnected) => return seen,
        }
    }
}
