//! The handlers of a Worker, and its world.

use crate::error::Error;
use std::path::Path;

/// Which handlers a Worker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handlers {
    /// It answers requests.
    pub fetch: bool,
    /// It is a Tail Worker.
    pub tail: bool,
}

impl Handlers {
    /// Returns the name of the world whose exports they are. `advice` is how the Worker whose
    /// main file is `main` gets a handler.
    ///
    /// # Errors
    ///
    /// Fails if there are none.
    pub fn world(self, main: &Path, advice: &str) -> Result<&'static str, Error> {
        match (self.fetch, self.tail) {
            (true, true) => Ok("worker"),
            (true, false) => Ok("producer"),
            (false, true) => Ok("tail-worker"),
            (false, false) => Err(Error::new(format!(
                "`{}` has no handler: {advice}",
                main.display()
            ))),
        }
    }
}
