//! Whether two texts name the same model of a maker. Devices report a model with or without the maker's name, and
//! with or without "Series"; so do roll-outs and images.

/// Names of makers and brands that precede a model, as words.
const BRANDS: [&[&str]; 38] = [
    &["brother"],
    &["canon"],
    &["copystar"],
    &["dell"],
    &["develop"],
    &["epson"],
    &["fuji", "xerox"],
    &["fujifilm"],
    &["fujixerox"],
    &["gestetner"],
    &["hewlett", "packard"],
    &["hp"],
    &["ibm"],
    &["infotec"],
    &["konica", "minolta"],
    &["konicaminolta"],
    &["kyocera", "mita"],
    &["kyocera"],
    &["lanier"],
    &["lexmark"],
    &["minolta"],
    &["nashuatec"],
    &["nrg"],
    &["oki"],
    &["olivetti"],
    &["pantum"],
    &["rex", "rotary"],
    &["ricoh"],
    &["samsung"],
    &["savin"],
    &["sharp"],
    &["toshiba", "tec"],
    &["toshiba"],
    &["triumph", "adler"],
    &["utax"],
    &["xerox"],
    &["zebra"],
    &["ztc"],
];

/// Words at the end of a model that don't distinguish it.
const ENDS: [&str; 2] = ["series", "printer"];

/// Whether two texts name the same model of one vendor. Ignores case, separators, words like "Series" at the end, and
/// the maker's name if only one text has it. Different brands are different models.
#[must_use]
pub fn same_model(vendor: &str, one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let ((brand, model), (other_brand, other_model)) = (parts(vendor, &one), parts(vendor, &other));
    let brands = brand.is_empty() || other_brand.is_empty() || brand == other_brand;
    brands && !model.is_empty() && model == other_model
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '+')));
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The brand, if any, and the model.
fn parts<'a>(vendor: &str, words: &'a [String]) -> (&'a [String], &'a [String]) {
    let begins =
        |brand: &&&[&str]| words.iter().zip(**brand).filter(|(own, word)| own == word).count() == brand.len();
    let own = usize::from(words.first().is_some_and(|word| word.eq_ignore_ascii_case(vendor)));
    let brand = BRANDS.iter().filter(begins).map(|brand| brand.len()).max().unwrap_or(own);
    // If there is nothing but a maker's name, it is the model.
    let (brand, model) = if brand < words.len() { words.split_at(brand) } else { words.split_at(0) };
    let ends = model.iter().rev().take_while(|word| ENDS.contains(&word.as_str())).count();
    let length = model.len() - ends;
    (brand, model.get(..length).filter(|model| !model.is_empty()).unwrap_or(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_makers_name_and_series_make_no_other_model() {
        let same = [
            ("ricoh", "RICOH IM C4500", "IM C4500"),
            ("ricoh", "IM-C4500", "im c4500"),
            ("brother", "Brother MFC-L2710DW series", "MFC-L2710DW"),
            ("samsung", "Samsung ML-2850 Series", "ML-2850"),
            ("konica", "KONICA MINOLTA bizhub C250i", "bizhub C250i"),
            ("fuji", "FUJI XEROX ApeosPort-VI C4471", "ApeosPort-VI C4471"),
            ("acme", "Acme X9", "X9"),
            ("hp", "HP LaserJet P1505n", "LaserJet P1505n"),
            ("xerox", "Xerox", "XEROX"),
            ("ricoh", "LANIER MP C3004", "MP C3004"),
        ];
        for (vendor, one, other) in same {
            assert!(same_model(vendor, one, other) && same_model(vendor, other, one), "{one} {other}");
        }
        let different = [
            ("ricoh", "IM C4500", "IM C4500A"),
            ("ricoh", "LANIER MP C3004", "RICOH MP C3004"),
            ("hp", "LaserJet P1505", "LaserJet P1505n"),
            ("hp", "LaserJet MFP M130nw", "LaserJet M130nw"),
            ("acme", "", "Acme"),
            ("acme", "", ""),
        ];
        for (vendor, one, other) in different {
            assert!(!same_model(vendor, one, other), "{one} {other}");
        }
    }
}
