//! The vendors that gateways know by profiles: the short names that stand in readings and in the names of images.

/// Short names, in alphabetical order.
pub const VENDORS: &[&str] = &[
    "brother", "canon", "dell", "epson", "fuji", "hp", "konica", "kyocera", "lexmark", "oki", "pantum",
    "ricoh", "samsung", "sharp", "toshiba", "xerox", "zebra",
];
