//! What is said about a folder of scenarios.

use super::compare::Difference;
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};

/// The most that is shown of a value.
const SHOWN: usize = 300;

/// One scenario and what came of it.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Whether Taffrail does as workerd does.
    pub verdict: Verdict,
}

/// Whether Taffrail does as workerd does.
#[derive(Debug)]
pub enum Verdict {
    /// It does.
    Agree {
        /// Where it differs on purpose, and why.
        allowed: Vec<(String, &'static str)>,
    },
    /// It does not.
    Differ {
        /// Where and how, in words.
        differences: Vec<String>,
        /// What Taffrail wrote on stderr.
        stderr: String,
    },
    /// It lacks what the scenario needs, which is this.
    Unsupported(String),
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let recorded = shown(self.recorded.as_ref());
        let got = shown(self.got.as_ref());
        write!(f, "{}: recorded {recorded}, got {got}", self.path)
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.verdict {
            Verdict::Agree { allowed } => {
                write!(f, "agree        {name}")?;
                let mut reasons: Vec<&str> = allowed.iter().map(|(_, reason)| *reason).collect();
                reasons.sort_unstable();
                reasons.dedup();
                if !reasons.is_empty() {
                    write!(f, " (but for: {})", reasons.join("; "))?;
                }
                Ok(())
            }
            Verdict::Differ {
                differences,
                stderr,
            } => {
                write!(f, "differ       {name}")?;
                for difference in differences {
                    write!(f, "\n    {difference}")?;
                }
                for line in stderr.lines() {
                    write!(f, "\n    stderr: {line}")?;
                }
                Ok(())
            }
            Verdict::Unsupported(reason) => write!(f, "unsupported  {name}: {reason}"),
        }
    }
}

/// What came of all scenarios, in the order of their names.
#[derive(Debug, Default)]
pub struct Report {
    /// One a file.
    pub scenarios: Vec<Scenario>,
}

impl Report {
    /// How many agree, how many differ, and how many are not supported.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for scenario in &self.scenarios {
            counts[match scenario.verdict {
                Verdict::Agree { .. } => 0,
                Verdict::Differ { .. } => 1,
                Verdict::Unsupported(_) => 2,
            }] += 1;
        }
        counts
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> Value {
        let scenarios = self.scenarios.iter().map(|scenario| {
            let name = &scenario.name;
            match &scenario.verdict {
                Verdict::Agree { allowed } => {
                    let allowed = allowed.iter().map(|(path, reason)| json!({ "path": path, "reason": reason }));
                    let allowed: Vec<_> = allowed.collect();
                    json!({ "scenario": name, "verdict": "agree", "allowed": allowed })
                }
                Verdict::Differ { differences, stderr } => {
                    json!({ "scenario": name, "verdict": "differ", "differences": differences, "stderr": stderr })
                }
                Verdict::Unsupported(reason) => {
                    json!({ "scenario": name, "verdict": "unsupported", "reason": reason })
                }
            }
        });
        let scenarios: Vec<_> = scenarios.collect();
        let [agree, differ, unsupported] = self.counts();
        json!({ "scenarios": scenarios, "agree": agree, "differ": differ, "unsupported": unsupported })
    }
}

impl Display for Report {
    /// The last line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [agree, differ, unsupported] = self.counts();
        write!(
            f,
            "{agree} agree, {differ} differ, {unsupported} unsupported"
        )
    }
}
