//! Reports the progress of building and deploying a project.

/// A step that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Runs the `build.command` of a Worker. The output goes to the stderr of this process.
    BuildCommand {
        /// The name of the Worker.
        worker: &'a str,
        /// The command line.
        command: &'a str,
    },
    /// Fetches and builds the JavaScript engine. This is done once for each version of Taffrail.
    MakeEngine,
    /// Compiles the JavaScript engine.
    CompileEngine,
    /// Compiles the bundler.
    CompileBundler,
    /// Fetches the tools that build components from Workers in a language. This is done once for
    /// each version of Taffrail.
    FetchTools {
        /// The name of the language.
        language: &'static str,
    },
    /// Compiles the component of a Worker.
    Compile {
        /// The name of the Worker.
        worker: &'a str,
    },
    /// Builds a component from the source of a Worker.
    Componentize {
        /// The name of the Worker.
        worker: &'a str,
    },
}

/// Receives reports about the progress of a project. `()` ignores them.
pub trait Progress: Send + Sync {
    /// Reports that a step begins. It is under way until the returned value is dropped.
    fn begin(&self, step: Step<'_>) -> Box<dyn Underway>;

    /// Reports a condition that the user may not expect.
    fn warn(&self, text: &str);
}

/// A step that is under way. If the step fails or is cancelled, this is dropped without a call of
/// [`done`](Self::done).
pub trait Underway: Send {
    /// Reports that the step has succeeded.
    fn done(self: Box<Self>);
}

impl Progress for () {
    fn begin(&self, _: Step<'_>) -> Box<dyn Underway> {
        Box::new(())
    }

    fn warn(&self, _: &str) {}
}

impl Underway for () {
    fn done(self: Box<Self>) {}
}

/// Runs a step, and reports its progress.
pub(crate) async fn during<T, E>(
    progress: &dyn Progress,
    step: Step<'_>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let underway = progress.begin(step);
    let result = work.await;
    if result.is_ok() {
        underway.done();
    }
    result
}
