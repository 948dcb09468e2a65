//! `View`: which green threads are shown, in which order, and which one is looked at.

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
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) filter: String,
    pub(crate) sort: &'static str,
    is_descending: bool,
    /// The filter is being typed.
    pub(crate) is_typing: bool,
    /// The ids of the rows that are shown.
    pub(crate) ids: Vec<u64>,
    pub(crate) selected: Option<u64>,
    /// The one whose story is shown instead of the list.
    pub(crate) opened: Option<u64>,
    /// Lines of the story that have been passed.
    pub(crate) passed: u16,
    /// How many it has.
    pub(crate) lines: u16,
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
            ids: Vec::new(),
            selected: None,
            opened: None,
            passed: 0,
            lines: 0,
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

    /// The row that is selected, if it is among those shown.
    pub(crate) fn selected_row(&self) -> Option<usize> {
        self.ids.iter().position(|id| Some(*id) == self.selected)
    }

    /// Selects another row, or shows other lines of the story.
    pub(crate) fn move_by(&mut self, rows: i16) {
        if self.opened.is_some() {
            let passed = self.passed.saturating_add_signed(rows);
            self.passed = passed.min(self.lines.saturating_sub(1));
            return;
        }
        let next = match self.selected_row() {
            Some(row) => row.saturating_add_signed(rows.into()),
            None => 0,
        };
        let last = self.ids.len().saturating_sub(1);
        self.selected = self.ids.get(next.min(last)).copied();
    }

    /// Shows the story of the one that is selected.
    pub(crate) fn open(&mut self) {
        (self.opened, self.passed) = (self.selected, 0);
    }

    /// Goes back: from a story to the list, from that to all.
    pub(crate) fn close(&mut self) {
        if self.opened.take().is_none() {
            self.filter.clear();
        }
    }

    pub(crate) fn reverse(&mut self) {
        self.is_descending = !self.is_descending;
    }
}
