//! The settings of a configuration for bundling, such as rules for files that are
//! not code.

use std::collections::BTreeMap;

/// The settings of a Worker for bundling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundling {
    /// The rules. The first one that matches a file applies.
    pub rules: Vec<Rule>,
    /// Whether `process.env.NODE_ENV` is `development` and not `production`.
    pub development: bool,
    /// Names that are replaced with JavaScript expressions.
    pub define: BTreeMap<String, String>,
    /// Packages that replace others, or files: paths in the folder of the Worker,
    /// which begin with `.`.
    pub alias: BTreeMap<String, String>,
    /// The function that JSX calls.
    pub jsx_factory: Option<String>,
    /// The element for `<>`.
    pub jsx_fragment: Option<String>,
    /// The path of a `tsconfig.json`, in the folder of the Worker.
    pub tsconfig: Option<String>,
}

/// Names that Wrangler defines.
const NODE_ENV: [&str; 3] = [
    "process.env.NODE_ENV",
    "global.process.env.NODE_ENV",
    "globalThis.process.env.NODE_ENV",
];

/// The type of files with certain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The type.
    pub kind: RuleKind,
    /// The files. As in Wrangler `*` matches any text, slashes included.
    pub globs: Vec<String>,
}

/// The type of a file by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A string.
    Text,
    /// An `ArrayBuffer`.
    Data,
    /// WebAssembly, which is an error.
    Wasm,
    /// An error, since an earlier rule has the same type.
    Ignored,
}

impl Rule {
    /// Whether the rule applies to the file with this path in the Worker's folder.
    pub(crate) fn is_for(&self, path: &str) -> bool {
        // Wrangler matches the path in the import.
        let imported = format!("./{path}");
        let mut globs = self.globs.iter();
        globs.any(|glob| matches(glob, &imported) || matches(glob, path))
    }
}

fn matches(glob: &str, path: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else {
        return glob == path;
    };
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = path.strip_prefix(start);
    let Some(mut inner) = inner.and_then(|inner| inner.strip_suffix(end)) else {
        return false;
    };
    for part in between.split('*') {
        let Some(at) = inner.find(part) else {
            return false;
        };
        inner = &inner[at + part.len()..];
    }
    true
}

impl Bundling {
    /// Returns the esbuild options for the Worker's folder, given its path in the bundler.
    pub(crate) fn arguments(&self, folder: &str) -> Vec<String> {
        let path = |path: &str| match path.starts_with('.') {
            true => format!("{}/{path}", folder.trim_end_matches('/')),
            false => path.to_owned(),
        };
        let mode = match self.development {
            true => "\"development\"",
            false => "\"production\"",
        };
        let modes = NODE_ENV.iter().map(|name| (*name, mode));
        let define = self.define.iter();
        let define = define.map(|(name, value)| (name.as_str(), value.as_str()));
        // The last definition of a name wins.
        let define = modes.chain(define);
        let define = define.map(|(name, value)| format!("--define:{name}={value}"));
        let alias = self.alias.iter();
        let alias = alias.map(|(name, value)| format!("--alias:{name}={}", path(value)));
        let factory = self.jsx_factory.iter();
        let factory = factory.map(|name| format!("--jsx-factory={name}"));
        let fragment = self.jsx_fragment.iter();
        let fragment = fragment.map(|name| format!("--jsx-fragment={name}"));
        let tsconfig = self.tsconfig.iter();
        let tsconfig = tsconfig.map(|file| {
            let file = file.trim_start_matches("./");
            format!("--tsconfig={}", path(&format!("./{file}")))
        });
        define
            .chain(alias)
            .chain(factory)
            .chain(fragment)
            .chain(tsconfig)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_glob_is_any_text() {
        let rule = |glob: &str| Rule {
            kind: RuleKind::Text,
            globs: vec![glob.to_owned()],
        };
        for (glob, path, expected) in [
            ("**/*.md", "a.md", true),
            ("**/*.md", "docs/deep/a.md", true),
            ("**/*.md", "a.mdx", false),
            ("*.md", "docs/a.md", true),
            ("docs/*.md", "docs/a.md", true),
            ("docs/*.md", "other/a.md", false),
            ("a.md", "a.md", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a?.md", "ab.md", false),
        ] {
            assert_eq!(rule(glob).is_for(path), expected, "{glob} {path}");
        }
    }
}
