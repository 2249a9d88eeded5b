//! The terminal, the files and the ports of the user who runs Taffrail.
