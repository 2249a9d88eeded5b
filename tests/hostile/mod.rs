//! Guests, clients and files that try to break out, and neighbours that must
//! not notice.

mod bundling;
mod bytes;
mod desk;
mod host;
mod http;
mod loops;
mod loss;
mod pools;
mod protocol;
mod reach;
mod resources;
mod surface;
