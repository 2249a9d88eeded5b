//! Read-only SQL over databases of SQLite, with limits, in the dialect of Analytics Engine.
