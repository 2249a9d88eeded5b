//! User code cannot break the engine or the host.
