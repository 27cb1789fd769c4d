//! A list in pages: its position, the address of its next page, and that of the whole list as a table.

use serde::Deserialize;

use super::url::address;

/// `page` of an address: `next` of the previous page; empty for the first page.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Cursor(String);

impl Cursor {
    /// The position after the previous page; `None` for the first page.
    pub(super) fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|cursor| !cursor.is_empty())
    }
}

/// What a list leads to.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The next page; `None` on the last one.
    pub(super) next: Option<String>,
    /// The whole list as a table; `None` where the API has no such list.
    pub(super) table: Option<String>,
}

impl Pages {
    /// Of the list at `path`, with the values that chose what is listed and the cursor of the next page.
    pub(super) fn new(path: &str, filter: &[(&str, &str)], next: Option<&str>) -> Self {
        let next = next.map(|next| address(path, &[filter, &[("page", next)]].concat()));
        Self { next, table: None }
    }

    /// With the table of the API's list at `path`, which is chosen by the same values.
    pub(super) fn with_table(self, path: &str, filter: &[(&str, &str)]) -> Self {
        Self { table: Some(address(path, &[filter, &[("format", "csv")]].concat())), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_what_was_chosen() {
        let filter = [("q", "hall"), ("state", "")];
        let pages = Pages::new("/", &filter, Some("gw,a:1")).with_table("/api/v1/devices", &filter);
        assert_eq!(pages.next.as_deref(), Some("/?q=hall&page=gw%2Ca%3A1"));
        assert_eq!(pages.table.as_deref(), Some("/api/v1/devices?q=hall&format=csv"));
        let last = Pages::new("/", &filter, None);
        assert!(last.next.is_none() && last.table.is_none());
        assert_eq!(Cursor::default().get(), None);
    }
}
