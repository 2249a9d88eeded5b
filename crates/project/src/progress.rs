//! What a user is told while a project is built and deployed.

/// Something that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The `build.command` of a Worker runs. What it prints goes to the stderr
    /// of this process.
    BuildCommand {
        /// The name of the Worker.
        worker: &'a str,
        /// The command line.
        command: &'a str,
    },
    /// The JavaScript engine is fetched and made, which is done once for each
    /// version of Taffrail.
    MakeEngine,
    /// The JavaScript engine is compiled.
    CompileEngine,
    /// The bundler of scripts is compiled.
    CompileBundler,
    /// The component of a Worker is compiled.
    Compile {
        /// The name of the Worker.
        worker: &'a str,
    },
    /// A component is made of the script of a Worker.
    Componentize {
        /// The name of the Worker.
        worker: &'a str,
    },
}

/// Is told how a project gets on. `()` ignores it.
pub trait Progress: Send + Sync {
    /// A step begins. It is under way until what this returns is dropped.
    fn begin(&self, step: Step<'_>) -> Box<dyn Underway>;

    /// Something will not work as the user may expect.
    fn warn(&self, text: &str);
}

/// A step under way. It is dropped without a call of [`done`](Self::done) when
/// the step fails or is given up.
pub trait Underway: Send {
    /// The step has succeeded.
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

/// Runs a step, and tells of it.
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
