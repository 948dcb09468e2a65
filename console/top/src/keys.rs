//! What the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::view::View;

/// What a key changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Nothing,
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
        KeyCode::Esc => view.filter.clear(),
        _ => return Effect::Nothing,
    }
    Effect::Ask
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
