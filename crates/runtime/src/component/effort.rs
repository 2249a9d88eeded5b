//! What it takes to compile a component, estimated without compiling it.
//!
//! A compile cannot be interrupted, so what a stranger's component may cost is
//! decided before it begins. The weights are measured with functions made for the
//! worst: nested loops that carry all locals, switches in a loop, long chains of
//! branches, many functions. The limits stand above what toolchains make, of
//! which the most is named beside each: componentize-py (18 MB), StarlingMonkey
//! (13 MB), esbuild in Go (20 MB).

use std::fmt;
use wasmparser::{
    BinaryReaderError, ComponentInstance, ComponentTypeRef, FunctionBody, Operator, Parser, Payload,
};

/// Microseconds that a function takes, however small it is.
const FUNCTION: u64 = 90;
/// Bytes of code that take a microsecond.
const BYTES: u64 = 2;
/// A function takes a microsecond for so many pairs of branches.
const BRANCH_PAIRS: u64 = 40;
/// Microseconds for each target of a switch and each local.
const SWITCHED_LOCAL: u64 = 15;

/// Microseconds that any component may take, and so many more for each byte that
/// it has: 3 in Go.
const COMPONENT: u64 = 10_000_000;
const COMPONENT_BYTE: u64 = 5;

/// Microseconds of one function; 2.4 million in StarlingMonkey.
const ONE_FUNCTION: u64 = 5_000_000;

/// Bytes of one function, which the compiler needs up to 600 times as much memory
/// for; 427 KB in CPython.
const ONE_FUNCTION_BYTES: u64 = 768 << 10;

/// Functions, each of which takes some kilobytes of memory; 20,000 in StarlingMonkey.
const FUNCTIONS: u64 = 60_000;

/// Types, imports, exports, aliases and the like; 8,000 in componentize-py.
const DEFINITIONS: u64 = 200_000;

/// Instances that a component makes of modules and components, and those that
/// these make in turn; hundreds, if components are composed.
const INSTANCES: u64 = 10_000;

/// Why a component is not compiled.
#[derive(Debug)]
pub(crate) enum Refusal {
    Damaged(BinaryReaderError),
    TooMuch {
        what: &'static str,
        found: u64,
        limit: u64,
    },
    ImportsComponent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(error) => {
                write!(f, "the component is damaged: {error}. Build it again")
            }
            Self::TooMuch { what, found, limit } => write!(
                f,
                "it takes too much to compile while others run: {found} {what}, where {limit} are allowed"
            ),
            Self::ImportsComponent => f.write_str(
                "a component in it imports a component, which is not allowed in one that is loaded at run time",
            ),
        }
    }
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::Damaged(error)
    }
}

/// Refuses a component that takes too much to compile.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let mut effort = Effort {
        limit: COMPONENT + COMPONENT_BYTE * bytes.len() as u64,
        ..Effort::default()
    };
    for payload in Parser::new(0).parse_all(bytes) {
        effort.add(payload?)?;
    }
    Ok(())
}

#[derive(Default)]
struct Effort {
    microseconds: u64,
    /// How many they may be.
    limit: u64,
    functions: u64,
    definitions: u64,
    /// Instances of the modules and components that are open, the innermost last.
    open: Vec<u64>,
    /// The most instances of a component that has been read to its end.
    most: u64,
}

impl Effort {
    fn add(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { .. } => self.open.push(1),
            Payload::End(_) => self.most = self.most.max(self.open.pop().unwrap_or_default()),
            Payload::CodeSectionEntry(body) => self.function(&body)?,
            Payload::InstanceSection(section) => self.instances(section.count().into())?,
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    // Of the one with the most of its own, for all that is known.
                    let count = match instance? {
                        ComponentInstance::Instantiate { .. } => self.most.max(1),
                        ComponentInstance::FromExports(_) => 1,
                    };
                    self.instances(count)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                self.define(section.count())?;
                for import in section {
                    if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                        return Err(Refusal::ImportsComponent);
                    }
                }
            }
            Payload::TypeSection(section) => self.define(section.count())?,
            Payload::ImportSection(section) => self.define(section.count())?,
            Payload::GlobalSection(section) => self.define(section.count())?,
            Payload::ExportSection(section) => self.define(section.count())?,
            Payload::ElementSection(section) => self.define(section.count())?,
            Payload::DataSection(section) => self.define(section.count())?,
            Payload::TableSection(section) => self.define(section.count())?,
            Payload::CoreTypeSection(section) => self.define(section.count())?,
            Payload::ComponentTypeSection(section) => self.define(section.count())?,
            Payload::ComponentAliasSection(section) => self.define(section.count())?,
            Payload::ComponentCanonicalSection(section) => self.define(section.count())?,
            Payload::ComponentExportSection(section) => self.define(section.count())?,
            // The others have no more in them than their bytes.
            _ => {}
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let bytes = body.range().len() as u64;
        self.functions += 1;
        within("functions", self.functions, FUNCTIONS)?;
        within("bytes in one function", bytes, ONE_FUNCTION_BYTES)?;
        let flow = Flow::read(body)?;
        let took = FUNCTION + bytes / BYTES + flow.microseconds();
        self.microseconds = self.microseconds.saturating_add(took);
        within("microseconds for one function", took, ONE_FUNCTION)?;
        within("microseconds", self.microseconds, self.limit)
    }

    fn instances(&mut self, more: u64) -> Result<(), Refusal> {
        let Some(instances) = self.open.last_mut() else {
            return Ok(());
        };
        *instances = instances.saturating_add(more);
        within("instances", *instances, INSTANCES)
    }

    fn define(&mut self, more: u32) -> Result<(), Refusal> {
        self.definitions += u64::from(more);
        within("definitions", self.definitions, DEFINITIONS)
    }
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::TooMuch { what, found, limit });
    }
    Ok(())
}

/// How control flows in one function.
#[derive(Default)]
struct Flow {
    locals: u64,
    branches: u64,
    /// Targets of all switches.
    targets: u64,
    /// Loops, each as often as loops are around it, itself included.
    loops: u64,
}

impl Flow {
    fn read(body: &FunctionBody<'_>) -> Result<Self, BinaryReaderError> {
        let mut flow = Self::default();
        for group in body.get_locals_reader()? {
            flow.locals += u64::from(group?.0);
        }
        let mut blocks = Vec::new();
        let mut depth = 0;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Loop { .. } => {
                    depth += 1;
                    flow.loops += depth;
                    flow.branches += 1;
                    blocks.push(1);
                }
                Operator::Block { .. } | Operator::If { .. } => {
                    flow.branches += 1;
                    blocks.push(0);
                }
                Operator::End => depth -= blocks.pop().unwrap_or(0),
                Operator::Br { .. } | Operator::BrIf { .. } | Operator::Else => flow.branches += 1,
                Operator::BrTable { targets } => flow.targets += u64::from(targets.len()),
                _ => {}
            }
        }
        Ok(flow)
    }

    fn microseconds(&self) -> u64 {
        let pairs = self.branches.saturating_mul(self.branches) / BRANCH_PAIRS;
        let switched = self.targets.saturating_mul(self.locals);
        let carried = self.loops.saturating_mul(self.locals);
        pairs
            .saturating_add(switched.saturating_mul(SWITCHED_LOCAL))
            .saturating_add(carried)
    }
}
