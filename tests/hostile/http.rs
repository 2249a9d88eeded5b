//! Clients that misbehave.
