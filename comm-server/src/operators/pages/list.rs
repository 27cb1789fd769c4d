//! A list in pages: its position, and the address of its next page.

use serde::Deserialize;

use super::url::address;

/// `page` of an address: what the page before gave; empty for the first.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Cursor(String);

impl Cursor {
    /// The position behind the page before; `None` for the first page.
    pub(super) fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|cursor| !cursor.is_empty())
    }
}

/// The address of the next page of a list, with the values that chose what is listed; `None` on the last page.
pub(super) fn next_page(path: &str, filter: &[(&str, &str)], next: Option<&str>) -> Option<String> {
    next.map(|next| address(path, &[filter, &[("page", next)]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_what_was_chosen() {
        let filter = [("q", "hall"), ("state", "")];
        assert_eq!(next_page("/", &filter, Some("gw,a:1")).as_deref(), Some("/?q=hall&page=gw%2Ca%3A1"));
        assert_eq!(next_page("/", &filter, None), None);
        assert_eq!(Cursor::default().get(), None);
    }
}
