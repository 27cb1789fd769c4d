//! Extracts the model from a device's text for it. Many devices append a serial number, the firmware version or the
//! version of the network card; each would then be a model of its own, and a roll-out by model would find none.
//!
//! The rest stays as the device reports it, with the maker's name and words like "Series". Comparisons ignore those
//! ([`wire::model`]).

/// Words that precede a version, a serial number or a date of any form.
const MARKS: [&str; 17] = [
    "version",
    "firmware",
    "eeprom",
    "s/n",
    "sn",
    "serial",
    "serialnumber",
    "kernel",
    "f/w",
    "fw",
    "pid",
    "svcid",
    "mac",
    "hostname",
    "fn",
    "ciddate",
    "cidate",
];

/// The same, but only before a word with a digit: some of them are parts of names.
const MARKS_OF_NUMBERS: [&str; 11] =
    ["ver", "v", "rev", "revision", "release", "os", "engine", "nic", "rom", "build", "boot"];

/// Texts with one of these describe the network card.
const CARDS: [&str; 5] =
    ["print server", "printserver", "ethernet multi-environment", "jetdirect", "network interface card"];

/// Minimum length of a serial number to be searched within a word.
const SERIAL_CHARS: usize = 6;

/// The model in a text; `None` if nothing remains.
pub(crate) fn model(text: &str, serial: Option<&str>) -> Option<String> {
    let lower = text.to_lowercase();
    if CARDS.iter().any(|card| lower.contains(card)) {
        return None;
    }
    // "MODEL; part version, part version"
    let text = text.split(';').next().unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut end = (0..words.len()).find(|at| ends(&words, *at, serial)).unwrap_or(words.len());
    // A word between the name and the firmware is a serial or part number, however short.
    let before_firmware = words.get(end).is_some_and(|word| is_version(word));
    if before_firmware && end > 2 && words.get(end - 1).is_some_and(|word| is_number_like(word)) {
        end -= 1;
    }
    let model = words.get(..end).unwrap_or_default().join(" ");
    let model =
        model.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '-' | '/' | '|' | '('));
    (!model.is_empty()).then(|| model.to_owned())
}

/// Whether the model ended before this word.
fn ends(words: &[&str], at: usize, serial: Option<&str>) -> bool {
    let Some(word) = words.get(at) else { return true };
    // "M252dw,PID:..." is one word; "/P" is Canon's mark of a printing device.
    let bare = word.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | ',' | '"'));
    if bare.is_empty() || bare.eq_ignore_ascii_case("/p") || is_mac(bare) || is_date(bare) {
        return at > 0 || !bare.is_empty();
    }
    let head = bare.split([':', '=', '.', '#']).next().unwrap_or_default().to_lowercase();
    let joined = bare.len() > head.len() + 1;
    if MARKS.contains(&head.as_str()) && (joined || bare.len() > head.len() || words.len() > at + 1) {
        return at > 0 || joined;
    }
    let digits = |text: &str| text.bytes().any(|octet| octet.is_ascii_digit());
    let next = words.get(at + 1).is_some_and(|next| digits(next) || is_version(next));
    if MARKS_OF_NUMBERS.contains(&head.as_str()) && (joined && digits(bare) || !joined && next && at > 0) {
        return true;
    }
    at > 0 && (is_version(bare) || is_serial(bare, serial))
}

/// Whether a word is a version: `1.24`, `V6.01.00.36`, `LW63.VYL.P638`, `01.23a`, `2.01-5`.
fn is_version(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | ',' | ':'));
    let numbers = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let parts: Vec<&str> = numbers.split('.').collect();
    let alnum = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let starts = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
    let has_digit = word.bytes().any(|octet| octet.is_ascii_digit());
    match parts.as_slice() {
        [_] => false,
        [major, minor] => {
            major.chars().all(|c| c.is_ascii_digit()) && !major.is_empty() && starts(minor) && alnum(minor)
        }
        more => has_digit && more.iter().all(alnum),
    }
}

/// Whether a word is a serial number: the device's own, or one by its form.
fn is_serial(word: &str, serial: Option<&str>) -> bool {
    let (word, own) = (word.to_lowercase(), serial.map(str::to_lowercase).unwrap_or_default());
    let own = own.trim();
    let inside = own.len() >= SERIAL_CHARS && word.contains(own)
        || word.len() >= SERIAL_CHARS
            && word.bytes().filter(u8::is_ascii_digit).count() >= 4
            && own.contains(&word);
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    inside || (word == own && !own.is_empty()) || is_code(&word, digits)
}

/// At least nine digits and letters, mostly digits: no model's name has such a word without a hyphen.
fn is_code(word: &str, digits: usize) -> bool {
    word.len() >= 9 && digits >= 6 && word.bytes().all(|octet| octet.is_ascii_alphanumeric())
}

/// At least seven capitals and digits, four of them digits.
fn is_number_like(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let plain = word.bytes().all(|octet| octet.is_ascii_digit() || octet.is_ascii_uppercase());
    word.len() >= 7 && digits >= 4 && plain
}

fn is_mac(word: &str) -> bool {
    let hex: Vec<&str> = word.split([':', '-']).collect();
    hex.len() == 6
        && hex.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '/']).collect();
    let number =
        |part: &&str| matches!(part.len(), 1 | 2 | 4) && part.bytes().all(|octet| octet.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(number) && parts.iter().any(|part| part.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_device_to_device_goes() {
        let cases = [
            ("Acme CX1dn 5027309460001 LW63.VYL.P638", "Acme CX1dn"),
            ("Acme CX1dn 5027309460001 LW74.VY4.P267", "Acme CX1dn"),
            ("Acme T652 7941X3G LR.JP.P444", "Acme T652"),
            ("Acme IM 2500 1.04", "Acme IM 2500"),
            ("Acme CX1dn version NH63.VYL.N638 kernel 3.0.0 All-N-1", "Acme CX1dn"),
            ("Acme LBP5 /P EEPROM 1209", "Acme LBP5"),
            ("Acme iR C5235 /P", "Acme iR C5235"),
            ("Acme ML-3710ND; V6.01.00.36; Engine 1.01; NIC V4.01; S/N Z5NVBABC000001X", "Acme ML-3710ND"),
            ("Acme ML-3710ND S/N Z5NV", "Acme ML-3710ND"),
            ("Acme ML-2850 Series OS 1.01.15.47 02-10-2010", "Acme ML-2850 Series"),
            ("Acme MC342 Rev.02.70", "Acme MC342"),
            ("Acme MC342 Ver 2", "Acme MC342"),
            ("Acme M17 FW:2.01", "Acme M17"),
            ("Acme M17 (SN: XY12)", "Acme M17"),
            ("Acme M17 [00:11:22:33:44:5f]", "Acme M17"),
            ("Acme IM C3010 1.04", "Acme IM C3010"),
            ("Acme M17 AB12-9 more", "Acme M17"),
            ("Acme M17 Ser99AB12-9", "Acme M17"),
            ("Acme MFP-X 2024-05-17", "Acme MFP-X"),
            ("Acme Phaser v1.2", "Acme Phaser"),
            ("Acme X9,", "Acme X9"),
        ];
        for (text, expected) in cases {
            assert_eq!(model(text, Some("AB12-9")).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_name_of_a_model_stays_as_it_is() {
        for text in [
            "HP LaserJet Professional P1102w",
            "HP Color LaserJet MFP M480",
            "Lexmark CX410de",
            "Brother MFC-L2710DW series",
            "Samsung M408x Series",
            "KONICA MINOLTA bizhub C250i",
            "D1180/MF6680",
            "HP Officejet Pro 8600 N911a",
            "TASKalfa 6052ci",
            "ZTC TLP 2824 Plus",
            "79071",
            "WF-C5790BA",
            "EPSON Stylus Pro 9900",
            "Xerox Phaser 3635MFP",
            "ApeosPort-VI C4471",
            "DocuPrint CM305 df",
            "imageRUNNER ADVANCE C5535i III",
            "OS-9000",
            "Rev",
            "Engine Works 12",
            "V-Lite 20",
            "e-STUDIO2510AC",
        ] {
            assert_eq!(model(text, Some("VNC3R00123")).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_network_card_is_no_model() {
        for text in [
            "EPSON Built-in 11b/g/n Print Server",
            "HP ETHERNET MULTI-ENVIRONMENT,ROM V.36.11,JETDIRECT",
            ";",
            "",
        ] {
            assert_eq!(model(text, None), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it_and_what_is_clean_stays(text in "\\PC{0,60}", serial in "\\PC{0,12}") {
            if let Some(once) = model(&text, Some(&serial)) {
                proptest::prop_assert!(!once.trim().is_empty());
                if let Some(twice) = model(&once, Some(&serial)) {
                    proptest::prop_assert!(once.contains(&twice));
                }
            }
        }
    }
}
