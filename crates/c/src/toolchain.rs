//! Fetches the compiler, makes the libraries, and builds components with them.

use crate::compiler::{Code, Compiler, is_compiled};
use crate::handlers;
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::Path;
use taffrail_toolchain::{
    Built, Error, Handlers, Home, Language, Sources, WIT, World, add_files, install_python_package,
    unwritable, write_files,
};
use wit_bindgen_c::Opts;

/// The name of the tools in errors.
const TOOLS: &str = "the tools for C and C++";

/// The package that has the compiler, from the Python Package Index.
const ZIG: &str = "ziglang==0.17.1";

static SDK: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../guest-examples/c/workers");

/// How the tools are made: a part of their version.
const MAKING: [(&str, &str); 3] = [
    ("bindings", "wit-bindgen-c 0.63"),
    ("compiler.rs", include_str!("compiler.rs")),
    ("toolchain.rs", include_str!("toolchain.rs")),
];

/// How a Worker gets a handler.
const HANDLER: &str = "include \"workers.h\", and define `void fetch(worker_request *request)`, `void tail(const worker_items *events)` or `worker_stream tail_stream(const worker_event *onset)`";

const PYTHON: &str = "Workers in C and C++ need Python 3 with pip, to fetch the compiler. Install both (https://python.org, `apt install python3 python3-pip`, `brew install python`) and try again";

/// The files that decide what is built.
const EXTENSIONS: [&str; 8] = ["c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx"];

/// The name of the bindings' files, and the prefix of their types.
const BINDINGS: &str = "bindings";

/// The name of the destructor of a stream in the generated file, and that in components.
/// See <https://github.com/bytecodealliance/wit-bindgen/pull/1341>.
const DESTRUCTOR: (&str, &str) = ("[dtor]tail_stream", "[dtor]tail-stream");

/// The tools for C and C++, in a directory of their own.
#[derive(Clone, Debug)]
pub struct C {
    home: Home,
}

impl C {
    /// Creates the tools below `cache`, which may also hold those of other versions.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let mut sources = vec![("ziglang", ZIG.as_bytes())];
        sources.extend(MAKING.map(|(name, text)| (name, text.as_bytes())));
        add_files(&WIT, &mut sources);
        add_files(&SDK, &mut sources);
        Self {
            home: Home::new(TOOLS, cache, sources),
        }
    }

    fn compile(&self, sources: &Sources, work: &Path) -> Result<Vec<u8>, Error> {
        let home = self.home.path();
        let unwritten = |error| unwritable(TOOLS, work, &error);
        let compiler = Compiler::new(&home.join("tools"), &work.join("cache"));
        let include = [&*home.join("include"), Path::new(".")];
        let mut objects = Vec::new();
        let mut handlers = Handlers::default();
        for file in sources.files().iter().filter(|file| is_compiled(file)) {
            let object = work.join(format!("{}.o", objects.len()));
            let name = file.strip_prefix(sources.folder()).unwrap_or(file);
            compiler.compile(sources.folder(), name, &include, Code::Worker, &object)?;
            handlers::add(&mut handlers, &fs::read(&object).map_err(unwritten)?)?;
            objects.push(object);
        }
        handlers.check(sources.main(), HANDLER)?;
        let libraries = home.join("lib");
        let ours = [&*bindings_of(handlers), "workers.c", "workers.cc"];
        objects.extend(ours.map(|name| libraries.join(format!("{name}.o"))));
        let module = work.join("module.wasm");
        compiler.link(&objects, &libraries, &module)?;
        let module = fs::read(&module).map_err(unwritten)?;
        World::read(&home.join("wit"), handlers)?.component(module)
    }
}

impl Language for C {
    fn is_installed(&self) -> bool {
        self.home.exists()
    }

    fn install(&self) -> Result<(), Error> {
        self.home.make(|work| {
            let unwritten = |error| unwritable(TOOLS, work, &error);
            let [packages, cache, wit, include, libraries] =
                ["tools", "cache", "wit", "include", "lib"].map(|name| work.join(name));
            install_python_package(ZIG, &packages, PYTHON)?;
            write_files(&WIT, &wit).map_err(unwritten)?;
            write_files(&SDK, &include).map_err(unwritten)?;
            fs::create_dir(&libraries).map_err(unwritten)?;
            let compiler = Compiler::new(&packages, &cache);
            compiler.make_libraries(&libraries)?;
            let compile = |folder: &Path, source: &str, headers: &[&Path], name: &str| {
                let object = libraries.join(format!("{name}.o"));
                compiler.compile(folder, Path::new(source), headers, Code::Library, &object)
            };
            for handlers in combinations() {
                let name = bindings_of(handlers);
                let bindings = work.join(&name);
                write_bindings(&World::read(&wit, handlers)?, &bindings)?;
                compile(&bindings, "bindings.c", &[], &name)?;
            }
            let header = work.join(bindings_of(Handlers::ALL)).join("bindings.h");
            fs::copy(header, include.join("bindings.h")).map_err(unwritten)?;
            // The classes of type information, in a header of the library's own.
            let abi = packages.join("ziglang/lib/libcxxabi/src");
            for source in ["workers.c", "workers.cc"] {
                compile(&include, source, &[&abi], source)?;
            }
            fs::remove_dir_all(cache).map_err(unwritten)?;
            Ok(work.to_owned())
        })
    }

    fn build(&self, main: &Path) -> Result<Built, Error> {
        let sources = Sources::of(main, None, &EXTENSIONS)?;
        self.home
            .build(&sources, |work| self.compile(&sources, work))
    }
}

/// Returns the handlers that a Worker may have.
fn combinations() -> impl Iterator<Item = Handlers> {
    (1..8).map(|bits: u8| Handlers {
        fetch: bits & 1 != 0,
        tail: bits & 2 != 0,
        tail_stream: bits & 4 != 0,
    })
}

/// Returns the name of the bindings for these handlers.
fn bindings_of(handlers: Handlers) -> String {
    handlers.worlds().join("+")
}

fn write_bindings(world: &World, folder: &Path) -> Result<(), Error> {
    let options = Opts {
        no_object_file: true,
        rename_world: Some(BINDINGS.to_owned()),
        ..Opts::default()
    };
    world.write_bindings(&mut *options.build(), folder)?;
    let file = folder.join("bindings.c");
    let rewrite = || {
        let text = fs::read_to_string(&file)?;
        fs::write(&file, text.replace(DESTRUCTOR.0, DESTRUCTOR.1))
    };
    rewrite().map_err(|error| unwritable(TOOLS, &file, &error))
}
