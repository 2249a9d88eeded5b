//! Estimates the cost of compiling a component, without compiling it.
//!
//! A compilation cannot be interrupted, so the cost of an untrusted component is limited before
//! it begins. The weights were measured with functions made for the worst case: nested loops that
//! carry all locals, switches in a loop, long chains of branches, many functions. The limits are
//! above the largest values seen in output of real toolchains, which are named beside each:
//! componentize-py (18 MB), StarlingMonkey (13 MB), esbuild in Go (20 MB).

use std::fmt;
use wasmparser::{
    BinaryReaderError, ComponentInstance, ComponentTypeRef, FunctionBody, Operator, Parser, Payload,
};

/// The minimum time of a function, in microseconds.
const FUNCTION: u64 = 90;
/// Bytes of code that are compiled in a microsecond.
const BYTES: u64 = 2;
/// Pairs of branches in a function that are compiled in a microsecond.
const BRANCH_PAIRS: u64 = 40;
/// Microseconds for each pair of a switch target and a local.
const SWITCHED_LOCAL: u64 = 15;

/// Microseconds that any component may take, plus this many for each of its bytes. Go takes 3 for
/// each byte.
const COMPONENT: u64 = 10_000_000;
const COMPONENT_BYTE: u64 = 5;

/// Microseconds of one function. StarlingMonkey has one of 2.4 million.
const ONE_FUNCTION: u64 = 5_000_000;

/// Bytes of one function. The compiler needs up to 600 times as much memory. CPython has one of
/// 427 KB.
const ONE_FUNCTION_BYTES: u64 = 768 << 10;

/// The number of functions, each of which takes some kilobytes of memory. StarlingMonkey has
/// 20,000.
const FUNCTIONS: u64 = 60_000;

/// Types, imports, exports, aliases and the like. componentize-py has 8,000.
const DEFINITIONS: u64 = 200_000;

/// Instances of modules and components that a component creates, including nested ones. Composed
/// components have hundreds.
const INSTANCES: u64 = 10_000;

/// Why a component is refused.
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
                "it is too expensive to compile at run time: {found} {what}, where {limit} are allowed"
            ),
            Self::ImportsComponent => f.write_str(
                "a nested component imports a component, which is not allowed in a component that is loaded at run time",
            ),
        }
    }
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::Damaged(error)
    }
}

/// Refuses a component that is too expensive to compile.
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
    /// The most microseconds that are allowed.
    limit: u64,
    functions: u64,
    definitions: u64,
    /// Instances in the modules and components that are being read, the innermost last.
    open: Vec<u64>,
    /// The most instances of any component that has been read completely.
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
                    // Which component this instantiates is unknown, so it counts as the largest
                    // one.
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
            // The cost of other sections is bounded by their size.
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

/// The control flow of one function.
#[derive(Default)]
struct Flow {
    locals: u64,
    branches: u64,
    /// The targets of all switches.
    targets: u64,
    /// The loops, each weighted by its nesting depth.
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
