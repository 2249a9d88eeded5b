//! The files of a new Worker.

use crate::args::Language;

/// The role of a Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Producer,
    Tail,
    /// It answers requests, and receives its own items.
    Both,
}

/// The path of a file in the folder of a Worker, and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! template {
    ($($name:literal),+) => {
        include_str!(concat!("../../templates/", $($name),+))
    };
}

/// The source of a Worker with a role, from the templates of a language.
macro_rules! source {
    ($role:expr, $language:literal, $ending:literal) => {
        match $role {
            Role::Producer => template!($language, "/producer", $ending),
            Role::Tail => template!($language, "/tail", $ending),
            Role::Both => template!($language, "/both", $ending),
        }
    };
}

macro_rules! wit {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("wit/", $name), include_str!(concat!("../../../../wit/", $name)))),*]
    };
}

/// The WIT from which the bindings of a component are generated.
pub(super) const WIT: &[File] = wit![
    "deps/cli.wit",
    "deps/clocks.wit",
    "deps/config/store.wit",
    "deps/config/world.wit",
    "deps/filesystem.wit",
    "deps/http.wit",
    "deps/io.wit",
    "deps/keyvalue/store.wit",
    "deps/logging.wit",
    "deps/otel.wit",
    "deps/random.wit",
    "deps/sockets.wit",
    "dispatch.wit",
    "interfaces.wit",
    "loader.wit",
    "p3/streaming.wit",
    "services.wit",
    "streaming.wit",
    "tracing.wit",
    "types.wit",
    "worlds.wit",
];

/// Returns the files of a Worker, in which `my-worker` stands for its name.
pub(super) fn of(language: Language, role: Role) -> Vec<File> {
    match language {
        Language::Rust => {
            let source = source!(role, "rust", ".rs");
            let mut files = vec![
                ("wrangler.toml", template!("rust/wrangler.toml")),
                ("Cargo.toml", template!("rust/Cargo.toml")),
                (".gitignore", "target\n.taffrail\n"),
                ("src/lib.rs", source),
            ];
            files.extend(WIT);
            files
        }
        Language::Javascript => {
            let source = source!(role, "javascript", ".js");
            script(template!("javascript/wrangler.toml"), ("worker.js", source))
        }
        Language::Typescript => {
            let source = source!(role, "typescript", ".ts");
            script(template!("typescript/wrangler.toml"), ("worker.ts", source))
        }
        Language::Python => {
            let source = source!(role, "python", ".py");
            let ignored = (
                ".gitignore",
                "dist\n__pycache__\npython_modules\n.taffrail\n",
            );
            let configuration = ("wrangler.toml", template!("python/wrangler.toml"));
            vec![configuration, ignored, ("entry.py", source)]
        }
        Language::Go => {
            let source = source!(role, "go", ".go");
            built(template!("go/wrangler.toml"), ("main.go", source))
        }
        Language::C => {
            let source = source!(role, "c", ".c");
            built(template!("c/wrangler.toml"), ("worker.c", source))
        }
        Language::Cpp => {
            let source = source!(role, "cpp", ".cc");
            built(template!("cpp/wrangler.toml"), ("worker.cc", source))
        }
    }
}

fn script(configuration: &'static str, source: File) -> Vec<File> {
    let ignored = (".gitignore", "dist\nnode_modules\n.taffrail\n");
    vec![("wrangler.toml", configuration), ignored, source]
}

fn built(configuration: &'static str, source: File) -> Vec<File> {
    let ignored = (".gitignore", "dist\n.taffrail\n");
    vec![("wrangler.toml", configuration), ignored, source]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    fn read(folder: &Path, name: &str, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{name}/{}", path.file_name().unwrap().display());
            if path.is_dir() {
                read(&path, &name, files);
            } else {
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn the_whole_wit_package_goes_along() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut expected = BTreeMap::new();
        read(&root, "wit", &mut expected);
        let files = WIT.iter();
        let files = files.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        assert_eq!(files.collect::<BTreeMap<_, _>>(), expected);
    }
}
