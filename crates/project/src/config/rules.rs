//! Which files are not code: `rules`, and Wrangler's default rules.

use super::quote::list;
use super::schema::{RuleTable, RuleType};
use taffrail_javascript::{Rule, RuleKind};

/// Wrangler's default rules, which follow those of a configuration.
const DEFAULT: [(RuleType, &[&str]); 3] = [
    (RuleType::Text, &["**/*.txt", "**/*.html", "**/*.sql"]),
    (RuleType::Data, &["**/*.bin"]),
    (RuleType::CompiledWasm, &["**/*.wasm"]),
];

/// Returns the rules of a Worker whose configuration has none.
pub(super) fn default() -> Vec<Rule> {
    of_table(&[]).0
}

/// Returns the effective rules, and warnings about the others. As in Wrangler, a rule without
/// `fallthrough = true` is the last of its type.
pub(super) fn of_table(tables: &[RuleTable]) -> (Vec<Rule>, Vec<String>) {
    let own = tables.iter().enumerate().map(|(index, table)| Given {
        place: format!("`rules[{index}]`"),
        kind: table.kind,
        globs: table.globs.clone(),
        fallthrough: table.fallthrough,
    });
    let default = DEFAULT.iter().map(|(kind, globs)| Given {
        place: format!("the default rule for {}", list(*globs)),
        kind: *kind,
        globs: globs.iter().map(ToString::to_string).collect(),
        fallthrough: None,
    });
    let (mut counted, mut ignored, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut last: Vec<Given> = Vec::new();
    for rule in own.chain(default) {
        let earlier = last.iter().find(|earlier| earlier.kind == rule.kind);
        if let Some(earlier) = earlier {
            if earlier.fallthrough.is_none() {
                warnings.push(format!(
                    "{} is ignored: {} has the same type; add `fallthrough = true` to that one to use both, or `fallthrough = false` to silence this warning",
                    rule.place, earlier.place
                ));
            }
            ignored.extend(rule.made(Some(RuleKind::Ignored)));
            continue;
        }
        if matches!(
            rule.kind,
            RuleType::PythonModule | RuleType::PythonRequirement
        ) {
            warnings.push(format!(
                "{} is ignored: Taffrail does not run Python source",
                rule.place
            ));
        }
        counted.extend(rule.made(None));
        if rule.fallthrough != Some(true) {
            last.push(rule);
        }
    }
    counted.append(&mut ignored);
    (counted, warnings)
}

struct Given {
    place: String,
    kind: RuleType,
    globs: Vec<String>,
    fallthrough: Option<bool>,
}

impl Given {
    /// Returns the rule for the bundler. The bundler recognises code without a rule.
    fn made(&self, instead: Option<RuleKind>) -> Option<Rule> {
        let kind = match self.kind {
            RuleType::Text => RuleKind::Text,
            RuleType::Data => RuleKind::Data,
            RuleType::CompiledWasm => RuleKind::Wasm,
            RuleType::ESModule
            | RuleType::CommonJS
            | RuleType::PythonModule
            | RuleType::PythonRequirement => return None,
        };
        Some(Rule {
            kind: instead.unwrap_or(kind),
            globs: self.globs.clone(),
        })
    }
}
