//! What a Worker was not handed it cannot reach.
