//! Pages: every list is read by keyset pagination, so that the last page costs as much as the first.

use serde::Serialize;

/// Maximum number of rows of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRows(u16);

impl PageRows {
    /// As many as one page may have.
    pub const MAX: Self = Self(500);

    /// That many; `None` unless it is 1 to [`PageRows::MAX`].
    #[must_use]
    pub const fn new(rows: u16) -> Option<Self> {
        if rows == 0 || rows > Self::MAX.0 { None } else { Some(Self(rows)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// One row more than the page holds, which shows whether there is a next page.
    pub(crate) fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for PageRows {
    fn default() -> Self {
        Self(50)
    }
}

/// Greater than every id: the cursor of the first page in descending order.
const LAST: &str = "~";

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last one.
    pub next: Option<String>,
}

/// A cursor is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the page of the list is not valid: expected the value of `next` of the previous page, or none for the first"
)]
pub struct InvalidCursor;

impl<T> Page<T> {
    /// Makes a page of rows; the caller has read one row more than a page has.
    pub(crate) fn of(mut items: Vec<T>, rows: PageRows, cursor: impl FnOnce(&T) -> String) -> Self {
        let rows = usize::from(rows.get());
        if items.len() <= rows {
            return Self { items, next: None };
        }
        items.truncate(rows);
        let next = items.last().map(cursor);
        Self { items, next }
    }

    /// The same page with converted items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// The cursor of a list in descending order of UUIDs; without one, that of the first page.
pub(crate) fn id(cursor: Option<&str>) -> Result<String, InvalidCursor> {
    let Some(cursor) = cursor else { return Ok(LAST.to_owned()) };
    cursor.parse::<uuid::Uuid>().map(|id| id.to_string()).map_err(|_| InvalidCursor)
}

/// The cursor of a list sorted by two names; without one, that of the first page.
pub(crate) fn two_names(cursor: Option<&str>) -> Result<(String, String), InvalidCursor> {
    let Some(cursor) = cursor else { return Ok((String::new(), String::new())) };
    let (first, second) = cursor.split_once(',').ok_or(InvalidCursor)?;
    Ok((first.to_owned(), second.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_one_only_if_a_row_is_left() {
        let rows = |n: i64| Page::of((0..n).collect(), PageRows::default(), ToString::to_string);
        assert_eq!(rows(0).next, None);
        assert_eq!(rows(50).next, None);
        let page = rows(PageRows::default().and_one());
        assert_eq!(page.items.len(), 50);
        assert_eq!(page.next.as_deref(), Some("49"));
        assert_eq!(
            [0, 1, 500, 501].map(|rows| PageRows::new(rows).map(PageRows::get)),
            [None, Some(1), Some(500), None]
        );
    }

    #[test]
    fn a_wrong_cursor_is_refused() {
        let known = "01980000-0000-7000-8000-000000000001";
        assert_eq!((id(None).unwrap().as_str(), id(Some(known)).unwrap().as_str()), (LAST, known));
        assert_eq!(id(Some("garbage")), Err(InvalidCursor));
        assert!(two_names(Some("abc")).is_err());
        assert_eq!(two_names(Some("a,b,c")), Ok(("a".to_owned(), "b,c".to_owned())));
        assert_eq!(two_names(None), Ok((String::new(), String::new())));
    }
}
