//! `View`: which green threads are shown, in which order.

use std::io;

/// The columns, as the page names them; those of numbers are sorted with the greatest first.
const COLUMNS: [(&str, bool); 9] = [
    ("id", false),
    ("name", false),
    ("state", false),
    ("wait", false),
    ("since", true),
    ("home", false),
    ("place", false),
    ("stack", true),
    ("children", true),
];

/// Which ones, and in which order.
pub(crate) struct View {
    pub(crate) filter: String,
    pub(crate) sort: &'static str,
    is_descending: bool,
    /// The filter is being typed.
    pub(crate) is_typing: bool,
}

impl View {
    pub(crate) fn new(filter: &str, sort: &str) -> io::Result<View> {
        let Some((sort, is_descending)) = COLUMNS.into_iter().find(|(name, _)| *name == sort)
        else {
            let known = COLUMNS.map(|(name, _)| name).join(", ");
            let why = format!("`{sort}` is no column to sort by; these are: {known}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let filter = filter.to_owned();
        Ok(View {
            filter,
            sort,
            is_descending,
            is_typing: false,
        })
    }

    pub(crate) fn order(&self) -> &'static str {
        if self.is_descending { "desc" } else { "asc" }
    }

    /// Sorts by the next column.
    pub(crate) fn next_column(&mut self) {
        let at = COLUMNS.iter().position(|(name, _)| *name == self.sort);
        let next = at.map_or(0, |at| at + 1) % COLUMNS.len();
        (self.sort, self.is_descending) = COLUMNS[next];
    }

    pub(crate) fn reverse(&mut self) {
        self.is_descending = !self.is_descending;
    }
}
