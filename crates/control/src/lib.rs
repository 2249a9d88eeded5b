//! The control endpoint of a running `dev` or `serve`.
