//! Files of variables: `.dev.vars`, `.env`, and those on the command line.
//!
//! The syntax is that of the `dotenv` package, which Wrangler uses: values are not expanded with
//! variables of the environment. The available crates do expand them, and so change values that
//! contain a `$`. Only in a `.env` file are variables expanded, with those of the files
//! themselves.

use super::overrides::OverrideKey;
use super::quote::list;
use super::worker::WorkerConfig;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the file beside a configuration.
pub const DEV_VARS: &str = ".dev.vars";

/// The prefix of the files that are read if there is no `.dev.vars`.
pub const DOT_ENV: &str = ".env";

/// Overrides the variables of each Worker with those in its `.dev.vars`. In the environment
/// `env`, `.dev.vars.<env>` is used instead if it exists. If neither exists, `.env` files are
/// read, as in Wrangler.
///
/// If a Worker's configuration lists its secrets, it receives only those. They may also come from
/// the environment of this process.
///
/// # Errors
///
/// Fails for a file that cannot be read or is malformed. The message contains no values.
pub fn apply_dev_vars(workers: &mut [WorkerConfig], env: Option<&str>) -> Result<()> {
    let env = env.filter(|env| !env.is_empty());
    for worker in workers {
        let dev_vars = dev_vars(&worker.dir, env)?;
        let has_dev_vars = dev_vars.is_some();
        let mut given = match dev_vars {
            Some(vars) => vars,
            None => dot_env(&worker.dir, env)?,
        };
        if let Some(required) = &worker.secrets {
            let from_process = |key: &String| match has_dev_vars {
                true => None,
                false => std::env::var(key).ok(),
            };
            let found = |key: &String| {
                let value = from_process(key).or_else(|| given.get(key).cloned())?;
                Some((key.clone(), value))
            };
            let secrets: BTreeMap<_, _> = required.iter().filter_map(found).collect();
            let missing = required.iter().filter(|key| !secrets.contains_key(*key));
            let missing: Vec<_> = missing.collect();
            if !missing.is_empty() {
                worker.warnings.push(format!(
                    "{}: `secrets.required` has {} without a value; add it to `.dev.vars` or `.env`",
                    worker.path.display(),
                    list(missing)
                ));
            }
            given = secrets;
        }
        let given = given.into_iter();
        worker
            .vars
            .extend(given.map(|(key, value)| (key, value.into())));
    }
    Ok(())
}

type Vars = BTreeMap<String, String>;

fn dev_vars(folder: &Path, env: Option<&str>) -> Result<Option<Vars>> {
    let of_env = env.map(|env| format!("{DEV_VARS}.{env}"));
    for name in of_env.as_deref().into_iter().chain([DEV_VARS]) {
        let file = folder.join(name);
        if let Some(text) = read(&file)? {
            let vars = parse(&text).map_err(|wrong| wrong.of(&file))?;
            return Ok(Some(
                vars.into_iter().map(|var| (var.key, var.value)).collect(),
            ));
        }
    }
    Ok(None)
}

/// Returns the variables of all `.env` files. Later files override earlier ones.
fn dot_env(folder: &Path, env: Option<&str>) -> Result<Vars> {
    let mut names = vec![DOT_ENV.to_owned(), format!("{DOT_ENV}.local")];
    names.extend(env.map(|env| format!("{DOT_ENV}.{env}")));
    names.extend(env.map(|env| format!("{DOT_ENV}.{env}.local")));
    let mut written: Vec<(String, String)> = Vec::new();
    for name in names {
        let file = folder.join(name);
        let Some(text) = read(&file)? else { continue };
        for Var { key, value, .. } in parse(&text).map_err(|wrong| wrong.of(&file))? {
            match written.iter_mut().find(|(earlier, _)| *earlier == key) {
                Some((_, earlier)) => *earlier = value,
                None => written.push((key, value)),
            }
        }
    }
    let mut vars = Vars::new();
    for (key, value) in written {
        let value = expanded(&value, &vars);
        vars.insert(key, value);
    }
    Ok(vars)
}

/// Replaces `$NAME`, `${NAME}` and `${NAME:-DEFAULT}` in a value with the values of variables, as
/// the `dotenv-expand` package does.
fn expanded(value: &str, vars: &Vars) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            text.push_str(before);
            text.push('$');
            rest = &from[1..];
            continue;
        }
        text.push_str(before);
        let Some((expression, length)) = expression(&from[1..]) else {
            text.push('$');
            rest = &from[1..];
            continue;
        };
        let (name, default) = expression.split_once(":-").unwrap_or((expression, ""));
        let known = vars.get(name).filter(|value| !value.is_empty());
        text.push_str(known.map_or(default, String::as_str));
        rest = &from[1 + length..];
    }
    text + rest
}

/// Returns the expression after a `$`, and its length including braces.
fn expression(text: &str) -> Option<(&str, usize)> {
    if let Some(braced) = text.strip_prefix('{') {
        let inner = &braced[..braced.find('}')?];
        return (!inner.is_empty()).then_some((inner, inner.len() + 2));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts.then_some((&text[..end], end))
}

/// Overrides the variables of the Workers with those in `files`, in order. `KEY` applies to every
/// Worker, `WORKER.KEY` to the one of that name.
///
/// # Errors
///
/// Fails for a file that cannot be read or is malformed, and for a `WORKER` that was not given.
/// The message contains no values.
pub fn apply_var_files(workers: &mut [WorkerConfig], files: &[PathBuf]) -> Result<()> {
    for file in files {
        let text = read(file)?.ok_or_else(|| {
            Error::configuration(format!("{}: there is no such file", file.display()))
        })?;
        for var in parse(&text).map_err(|wrong| wrong.of(file))? {
            let at = |problem: String| {
                Wrong {
                    line: var.line,
                    problem,
                }
                .of(file)
            };
            let target = OverrideKey::parse(&var.key)
                .ok_or_else(|| at("a name is KEY or WORKER.KEY, with no dot in KEY".to_owned()))?;
            for worker in target.workers(workers).map_err(at)? {
                let value = var.value.as_str().into();
                worker.vars.insert(target.key.to_owned(), value);
            }
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::configuration(format!("{}: {error}", file.display()))),
    }
}

#[derive(Debug, PartialEq)]
struct Var {
    line: usize,
    key: String,
    value: String,
}

/// An error in a file. It reveals none of the contents.
#[derive(Debug, PartialEq)]
struct Wrong {
    line: usize,
    problem: String,
}

impl Wrong {
    fn of(self, file: &Path) -> Error {
        Error::configuration(format!(
            "{}:{}: {}",
            file.display(),
            self.line,
            self.problem
        ))
    }
}

fn parse(text: &str) -> Result<Vec<Var>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut vars = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let (var, length) = entry(rest).map_err(|problem| Wrong {
            line,
            problem: problem.to_owned(),
        })?;
        vars.extend(var.map(|(key, value)| Var { line, key, value }));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    Ok(vars)
}

/// A name and its value, or `None` for a line without them.
type Entry = Option<(String, String)>;

/// Parses the first entry of a text and returns its length. It may span several lines if its
/// value is in quotes.
fn entry(text: &str) -> Result<(Entry, usize), &'static str> {
    let end = text.find('\n').map_or(text.len(), |end| end + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, end));
    }
    let equals = text[..end].find('=');
    let equals = equals.ok_or("expected KEY=VALUE, or a comment that begins with #")?;
    let key = text[..equals].trim();
    let key = key.strip_prefix("export ").unwrap_or(key).trim_start();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || !key.chars().all(allowed) {
        return Err("a name is made of letters, digits, `_`, `-` and `.`");
    }
    let behind = &text[equals + 1..];
    let value = behind.trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    let Some(quote) = value
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))
    else {
        let value = text[start..end].split('#').next().unwrap_or_default();
        return Ok((Some((key.to_owned(), value.trim().to_owned())), end));
    };
    let closing = closing(&value[1..], quote).ok_or("the quote is not closed")?;
    let quoted = &value[1..=closing];
    let after = start + closing + 2;
    let end = text[after..]
        .find('\n')
        .map_or(text.len(), |end| after + end + 1);
    let comment = text[after..end].trim();
    if !comment.is_empty() && !comment.starts_with('#') {
        return Err("there is more text after the closing quote");
    }
    let value = match quote {
        '"' => quoted.replace("\\n", "\n").replace("\\r", "\r"),
        _ => quoted.to_owned(),
    };
    Ok((Some((key.to_owned(), value)), end))
}

/// Returns where a quoted value ends. A quote after a backslash is part of the value.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut found = text.match_indices(quote).map(|(index, _)| index);
    found.find(|index| !text[..*index].ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_dotenv() {
        let text = "\u{feff}# a comment\n\nA=1\nexport B = two words # said\r\n  C='it''s'\n";
        assert_eq!(
            parse(text).unwrap_err(),
            Wrong {
                line: 5,
                problem: "there is more text after the closing quote".into()
            }
        );
        let text = "A=1\nexport B = two words # said\r\nC='# $HOME \\n'\nD=\"a\\nb\nc\"\nE=\nF=a=b\nG=pa$$word\nlast.H=`\"`";
        let vars = parse(text).unwrap();
        let vars: Vec<_> = vars
            .iter()
            .map(|var| (var.line, var.key.as_str(), var.value.as_str()))
            .collect();
        assert_eq!(
            vars,
            [
                (1, "A", "1"),
                (2, "B", "two words"),
                (3, "C", "# $HOME \\n"),
                (4, "D", "a\nb\nc"),
                (6, "E", ""),
                (7, "F", "a=b"),
                (8, "G", "pa$$word"),
                (9, "last.H", "\""),
            ]
        );
    }

    #[test]
    fn a_dollar_stands_for_what_the_files_hold() {
        let vars = Vars::from([("A".to_owned(), "one".to_owned())]);
        for (value, expected) in [
            ("$A ${A}$A_", "one one"),
            ("${B:-two} ${A:-two} $B.", "two one ."),
            (r"\$A ${A", "$A ${A"),
            ("5$ $5 ${}", "5$ $5 ${}"),
        ] {
            assert_eq!(expanded(value, &vars), expected, "{value}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_alone() {
        for (text, line, problem) in [
            ("A=1\nsecret", 2, "expected KEY=VALUE"),
            ("=secret", 1, "a name is made of"),
            ("A B=secret", 1, "a name is made of"),
            ("A=1\nB=2\nC='secret", 3, "the quote is not closed"),
            ("A=\"x\"secret", 1, "there is more"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}");
            assert!(wrong.problem.starts_with(problem), "{}", wrong.problem);
            assert!(!wrong.problem.contains("secret"));
        }
    }
}
