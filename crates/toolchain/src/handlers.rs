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
    /// It is a streaming tail.
    pub tail_stream: bool,
}

impl Handlers {
    /// All of them.
    pub const ALL: Self = Self {
        fetch: true,
        tail: true,
        tail_stream: true,
    };

    /// Returns the names of the worlds whose exports they are, one for each.
    #[must_use]
    pub fn worlds(self) -> Vec<&'static str> {
        let worlds = [
            (self.fetch, "producer"),
            (self.tail, "tail-worker"),
            (self.tail_stream, "streaming-tail-worker"),
        ];
        let worlds = worlds.into_iter().filter(|(has, _)| *has);
        worlds.map(|(_, world)| world).collect()
    }

    /// Returns a WIT package `taffrail:worker` that has one world, `worker`, whose exports they are.
    /// The world includes those of the package `taffrail:workers`.
    #[must_use]
    pub fn wit(self) -> String {
        let mut text = "package taffrail:worker; world worker {".to_owned();
        for world in self.worlds() {
            text += &format!(" include taffrail:workers/{world}@0.2.0;");
        }
        text + " }"
    }

    /// Checks that there are some. `advice` is how the Worker whose main file is `main` gets a
    /// handler.
    ///
    /// # Errors
    ///
    /// Fails if there are none.
    pub fn check(self, main: &Path, advice: &str) -> Result<(), Error> {
        match self == Self::default() {
            true => Err(Error::new(format!(
                "`{}` has no handler: {advice}",
                main.display()
            ))),
            false => Ok(()),
        }
    }
}
