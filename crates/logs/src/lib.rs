//! Keeps trace items in files, and finds them.
