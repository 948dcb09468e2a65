//! What the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::view::View;

/// Rows that a page key passes.
const PAGE: i16 = 10;

/// What a key changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Nothing,
    /// What is known is to be shown in another way.
    Draw,
    /// Another list is wanted.
    Ask,
    End,
}

pub(crate) fn press(view: &mut View, key: KeyEvent) -> Effect {
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Effect::End;
    }
    if view.is_typing {
        return write(view, key.code);
    }
    match key.code {
        KeyCode::Char('q') => return Effect::End,
        KeyCode::Char('s') => view.next_column(),
        KeyCode::Char('r') => view.reverse(),
        KeyCode::Char('/') => view.is_typing = true,
        KeyCode::Enter => view.open(),
        KeyCode::Esc => view.close(),
        other => return go(view, other),
    }
    Effect::Ask
}

fn go(view: &mut View, key: KeyCode) -> Effect {
    match key {
        KeyCode::Up | KeyCode::Char('k') => view.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => view.move_by(1),
        KeyCode::PageUp => view.move_by(-PAGE),
        KeyCode::PageDown => view.move_by(PAGE),
        _ => return Effect::Nothing,
    }
    Effect::Draw
}

fn write(view: &mut View, key: KeyCode) -> Effect {
    match key {
        KeyCode::Char(it) => view.filter.push(it),
        KeyCode::Backspace => drop(view.filter.pop()),
        KeyCode::Enter => view.is_typing = false,
        KeyCode::Esc => {
            view.filter.clear();
            view.is_typing = false;
        }
        _ => return Effect::Nothing,
    }
    Effect::Ask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press_all(view: &mut View, keys: &str) -> Vec<Effect> {
        let code = |it| match it {
            '\n' => KeyCode::Enter,
            '>' => KeyCode::PageDown,
            '\x1b' => KeyCode::Esc,
            it => KeyCode::Char(it),
        };
        keys.chars()
            .map(|it| press(view, KeyEvent::from(code(it))))
            .collect()
    }

    #[test]
    fn a_filter_is_typed_and_q_is_a_letter_of_it() {
        let mut view = View::new("", "since").unwrap();
        let effects = press_all(&mut view, "/queue\n");
        assert!(effects.iter().all(|it| *it == Effect::Ask));
        assert_eq!((view.filter.as_str(), view.is_typing), ("queue", false));
        press_all(&mut view, "\x1b");
        assert_eq!(view.filter, "");
        assert_eq!(press_all(&mut view, "xq"), [Effect::Nothing, Effect::End]);
    }

    #[test]
    fn a_row_is_selected_opened_and_left() {
        let mut view = View::new("some", "id").unwrap();
        assert_eq!(press_all(&mut view, "j\n"), [Effect::Draw, Effect::Ask]);
        assert_eq!(view.opened, None, "there are no rows");
        view.ids = vec![4, 5, 6];
        press_all(&mut view, "jj");
        assert_eq!(view.selected, Some(5));
        (view.ids, view.lines) = (vec![7, 5, 4], 9);
        press_all(&mut view, "j");
        assert_eq!(view.selected, Some(4), "by its id");
        press_all(&mut view, ">kkkkj\n>");
        assert_eq!((view.opened, view.passed), (Some(5), 8));
        press_all(&mut view, "\x1b");
        assert_eq!((view.opened, view.filter.as_str()), (None, "some"));
        press_all(&mut view, "\x1b");
        assert_eq!(view.filter, "");
    }

    #[test]
    fn s_goes_through_all_columns_and_r_turns_one() {
        let mut view = View::new("", "since").unwrap();
        assert_eq!((view.sort, view.order()), ("since", "desc"));
        press_all(&mut view, "s");
        assert_eq!((view.sort, view.order()), ("home", "asc"));
        press_all(&mut view, "r");
        assert_eq!(view.order(), "desc");
        press_all(&mut view, "ssssssss");
        assert_eq!(view.sort, "since");
    }
}
