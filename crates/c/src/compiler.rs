//! The compiler and the linker.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use taffrail_toolchain::{Error, run};

/// The archives of the standard libraries, and the start of a module, in the order in which they
/// are linked.
const LIBRARIES: [&str; 6] = [
    "crt1-reactor.o",
    "libc++.a",
    "libc++abi.a",
    "libc.a",
    "libzigc.a",
    "libcompiler_rt.a",
];

const TARGET: [&str; 2] = ["-target", "wasm32-wasi"];

/// Failed assertions are reported in optimised code, too.
const OPTIONS: [&str; 2] = ["-Os", "-UNDEBUG"];

/// How files of Workers are compiled besides: with a check for null pointers, since memory has an
/// address 0, and with a line of its own for each call that does not return, for stacks.
const CHECKED: [&str; 10] = [
    "-Wall",
    "-fsanitize=null",
    "-fno-sanitize-recover=null",
    "-fno-sanitize-merge",
    "-fsanitize-minimal-runtime",
    "-gline-tables-only",
    "-mllvm",
    "-enable-tail-merge=0",
    "-mllvm",
    "-sink-common-insts=0",
];

/// A stack that overflows leaves the memory instead of overwriting data.
const LAYOUT: [&str; 4] = ["--stack-first", "-z", "stack-size=1048576", "--no-entry"];

/// The origin of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    Worker,
    Library,
}

/// clang and wasm-ld, as the package `ziglang` has them.
pub(crate) struct Compiler {
    folder: PathBuf,
    /// For the compiler's own use.
    cache: PathBuf,
}

impl Compiler {
    /// Finds the compiler in the folder of Python packages.
    pub(crate) fn new(packages: &Path, cache: &Path) -> Self {
        Self {
            folder: packages.join("ziglang"),
            cache: cache.to_owned(),
        }
    }

    /// Compiles a file in `folder`, for which errors give its relative path `source`.
    pub(crate) fn compile(
        &self,
        folder: &Path,
        source: &Path,
        include: &[&Path],
        code: Code,
        object: &Path,
    ) -> Result<(), Error> {
        let mut command = self.command();
        match is_cxx(source) {
            true => command.args(["c++", "-std=gnu++20"]),
            false => command.arg("cc"),
        };
        command.current_dir(folder).args(TARGET).args(OPTIONS);
        match code {
            Code::Worker => {
                // Places in files do not depend on the location of their folder.
                let headers = self.folder.join("lib/");
                for folder in [folder, &headers] {
                    command.arg(format!("-fdebug-prefix-map={}=", folder.display()));
                }
                command.args(CHECKED)
            }
            Code::Library => command.arg("-g0"),
        };
        for folder in include {
            command.arg("-I").arg(folder);
        }
        command.arg("-c").arg(source).arg("-o").arg(object);
        execute(&mut command)
    }

    /// Links object files and the libraries in `folder`.
    pub(crate) fn link(
        &self,
        objects: &[PathBuf],
        folder: &Path,
        module: &Path,
    ) -> Result<(), Error> {
        let mut command = self.command();
        command.arg("wasm-ld").args(LAYOUT);
        command.args(["--export=_initialize", "-o"]).arg(module);
        command.args(objects);
        command.args(LIBRARIES.map(|name| folder.join(name)));
        execute(&mut command)
    }

    /// Compiles the standard libraries, and moves them to `folder`.
    pub(crate) fn make_libraries(&self, folder: &Path) -> Result<(), Error> {
        let unmade = |error| {
            Error::new(format!(
                "the standard libraries of C and C++ cannot be made: {error}"
            ))
        };
        let source = folder.join("empty.cc");
        fs::write(&source, "").map_err(unmade)?;
        let mut command = self.command();
        command.arg("c++").args(TARGET);
        command.args(["-mexec-model=reactor", "-Os", "-g0"]);
        command.arg(&source).arg("-o");
        execute(command.arg(folder.join("empty.wasm")))?;
        for name in LIBRARIES {
            let library = self.find(name).map_err(unmade)?;
            fs::rename(library, folder.join(name)).map_err(unmade)?;
        }
        Ok(())
    }

    /// Finds a library among the results in the cache.
    fn find(&self, name: &str) -> io::Result<PathBuf> {
        for entry in fs::read_dir(self.cache.join("o"))? {
            let made = entry?.path().join(name);
            if made.exists() {
                return Ok(made);
            }
        }
        Err(io::Error::other(format!("the compiler made no `{name}`")))
    }

    fn command(&self) -> Command {
        let zig = format!("zig{}", std::env::consts::EXE_SUFFIX);
        let mut command = Command::new(self.folder.join(zig));
        command
            .env("ZIG_GLOBAL_CACHE_DIR", &self.cache)
            .env("ZIG_LOCAL_CACHE_DIR", &self.cache);
        command
    }
}

/// Whether a file is one that the compiler is given, and no header.
pub(crate) fn is_compiled(file: &Path) -> bool {
    is_cxx(file) || file.extension().is_some_and(|extension| extension == "c")
}

fn is_cxx(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    ["cc", "cpp", "cxx"].iter().any(|cxx| extension == *cxx)
}

fn execute(command: &mut Command) -> Result<(), Error> {
    let missing = "delete the folder of the tools for C and C++, and they are fetched again";
    run(command, missing)?.map_err(Error::new)
}
