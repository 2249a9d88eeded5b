//! Code of strangers meets the bundler.
