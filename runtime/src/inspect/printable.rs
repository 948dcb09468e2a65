//! `Printable`: text from elsewhere, such as a name, as it may stand in a line of ours.

use std::fmt::{self, Write};

/// Escapes what a terminal or a log would obey: control characters, which may begin a line that
/// looks like ours, and what changes the direction of writing. All else stays as it is. A precision
/// says how many characters of it there are at most. Allocates nothing.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.chars().take(f.precision().unwrap_or(usize::MAX));
        shown.try_for_each(|it| match is_obeyed(it) {
            true => write!(f, "{}", it.escape_default()),
            false => f.write_char(it),
        })
    }
}

fn is_obeyed(it: char) -> bool {
    let is_line_end = matches!(it, '\u{2028}' | '\u{2029}');
    let is_direction = matches!(
        it,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    it.is_control() || is_line_end || is_direction
}

#[cfg(test)]
mod tests {
    use super::Printable;

    #[test]
    fn what_is_obeyed_is_escaped_and_all_else_is_left() {
        let told = [
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}"),
            ("\u{1b}[31m\u{7}\u{7f}", "\\u{1b}[31m\\u{7}\\u{7f}"),
            ("\u{85}\u{9b}2J", "\\u{85}\\u{9b}2J"),
            ("a\u{2028}b\u{202e}c", "a\\u{2028}b\\u{202e}c"),
            ("it's \"quoted\" \\", "it's \"quoted\" \\"),
            ("ü 漢字 नमस्ते 👩\u{200d}🚀", "ü 漢字 नमस्ते 👩\u{200d}🚀"),
            ("", ""),
        ];
        for (text, printed) in told {
            assert_eq!(Printable(text).to_string(), printed);
        }
        assert_eq!(format!("{:.2}", Printable("a\nb")), "a\\n");
    }
}
