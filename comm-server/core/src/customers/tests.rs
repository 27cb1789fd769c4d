use std::collections::BTreeMap;

use super::import::is_formula;
use super::*;

fn row(cells: &[(&str, &str)]) -> Result<ImportRow, (String, String)> {
    let cells: BTreeMap<&str, &str> = cells.iter().copied().collect();
    parse_row(|column| cells.get(column).copied().unwrap_or_default())
        .map_err(|error| (error.column().to_owned(), error.to_string()))
}

#[test]
fn names_of_every_script_are_kept_and_hidden_characters_rejected() {
    let named = |name: &str| CustomerSpec { name: name.to_owned(), ..CustomerSpec::default() }.checked();
    for good in ["Meyer & Söhne GmbH", "株式会社オフィス", "شركة الطباعة", "می‌خواهم", "Ω", " blanks around "]
    {
        assert_eq!(named(good).unwrap().name, good.trim());
    }
    for bad in ["", "   ", "a\nb", "a\u{202e}b", "a\u{0}", "\u{feff}x\u{200b}y", &"x".repeat(201)] {
        assert!(named(bad).is_err(), "{bad:?}");
    }
    let long = named(&"ж".repeat(5_000)).unwrap_err().to_string();
    assert!(
        long.len() < 200 && long.starts_with("name is \"жж") && long.contains("1 to 200 bytes"),
        "{long}"
    );
}

#[test]
fn an_address_is_one_line_without_gaps() {
    let address = Address {
        street: " Unter den Linden 1 ".to_owned(),
        postal_code: "10117".to_owned(),
        city: "Berlin".to_owned(),
        country: "de".to_owned(),
        ..Address::default()
    };
    let checked = address.checked().unwrap();
    assert_eq!(checked.line(), "Unter den Linden 1, 10117 Berlin, DE");
    assert!(Address::default().is_empty() && Address::default().line().is_empty());
    let error = Address { country: "Germany".to_owned(), ..address }.checked().unwrap_err();
    assert_eq!(error.field, "country");
}

#[test]
fn a_row_is_a_site_or_a_customer_alone() {
    let found = row(&[("customer", "Meyer"), ("customer_erp_key", "K-7")]).unwrap();
    assert_eq!((found.customer.name.as_str(), found.customer.erp_key.as_str()), ("Meyer", "K-7"));
    assert!(found.site.is_none());
    let cells = [
        ("customer", "Meyer"),
        ("site", "Berlin"),
        ("time_zone", "Europe/Berlin"),
        ("country", "de"),
        ("gateways", " gw-1  gw-2 "),
    ];
    let site = row(&cells).unwrap().site.unwrap();
    assert_eq!((site.spec.name.as_str(), site.spec.address.country.as_str()), ("Berlin", "DE"));
    assert_eq!(site.gateways.len(), 2);
    assert_eq!(site.time_zone.as_deref(), Some("Europe/Berlin"));
}

#[test]
fn an_error_of_a_row_names_its_column() {
    let column = |cells: &[(&str, &str)]| row(cells).unwrap_err().0;
    assert_eq!(column(&[("site", "Berlin")]), "customer");
    assert_eq!(column(&[("customer", "M"), ("customer_erp_key", &"9".repeat(65))]), "customer_erp_key");
    assert_eq!(column(&[("customer", "M"), ("site", "a\u{202e}b")]), "site");
    assert_eq!(column(&[("customer", "M"), ("site", "B"), ("time_zone", "Mars City")]), "time_zone");
    assert_eq!(column(&[("customer", "M"), ("site", "B"), ("gateways", "GW 1")]), "gateways");
    let (column, text) = row(&[("customer", "M"), ("city", "Berlin")]).unwrap_err();
    assert_eq!(column, "site");
    assert_eq!(text, "city has a value, but the row has no site: expected a name in the column site");
}

#[test]
fn a_text_that_a_spreadsheet_would_run_is_guarded_and_read_back() {
    for formula in ["=1+1", "+49 30 1", "-1", "@SUM(A1)"] {
        assert!(is_formula(formula));
        assert_eq!(row(&[("customer", &format!("'{formula}"))]).unwrap().customer.name, formula);
        assert_eq!(row(&[("customer", formula)]).unwrap().customer.name, formula, "it was never guarded");
    }
    assert_eq!(row(&[("customer", "'Ndrangheta")]).unwrap().customer.name, "'Ndrangheta");
}
