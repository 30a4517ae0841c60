//! The functions that need no handle, and no standard library: what firmware takes.

pub(crate) mod border;
mod file;
mod packets;
#[cfg(feature = "plain")]
mod plain;
#[cfg(not(feature = "codec"))]
mod runtime;

pub use file::{FileInfo, flextok_file_info, flextok_truncate};
pub use packets::{
    Joined, Joiner, Packets, flextok_joiner_add, flextok_joiner_finish, flextok_joiner_init,
    flextok_joiner_state, flextok_packets_init, flextok_packets_write,
};
#[cfg(feature = "plain")]
pub use plain::flextok_plain_decode;
