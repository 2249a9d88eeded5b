//! What a guest makes the host hold or burn is counted.
