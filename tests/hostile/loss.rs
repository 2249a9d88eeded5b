//! Items that are lost, and their counts.
