//! Workers that take places from others.
