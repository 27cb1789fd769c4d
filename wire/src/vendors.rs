//! The vendors of built-in profiles: short names that are part of readings and of image names.

/// Short names, in alphabetical order.
pub const VENDORS: &[&str] = &[
    "brother", "canon", "dell", "epson", "fuji", "hp", "konica", "kyocera", "lexmark", "oki", "pantum",
    "ricoh", "samsung", "sharp", "toshiba", "xerox", "zebra",
];
