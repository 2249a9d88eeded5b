//! Requests that come back to where they began.
