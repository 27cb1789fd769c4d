//! The gateway's decisions as pure code: no clock, no socket, no file, no tokio. The shell reads the world, calls a
//! decision, and carries out what it answers.

pub mod device_reading;
pub mod profiles;
