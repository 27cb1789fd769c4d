//! The command line of the authority.

fn main() {}
