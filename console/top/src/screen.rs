//! The screen: workers at the top, green threads below, once a second.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyEventKind};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row as TableRow, Table};
use ratatui::{DefaultTerminal, Frame};

use crate::ask::{Seen, Source};
use crate::keys::{self, Effect};
use crate::once::{cells, counts, title, worker_line};
use crate::view::View;

const PERIOD: Duration = Duration::from_secs(1);

/// Shows until `q` is pressed, or the program does not answer any more.
pub(crate) fn run(source: &Source, view: View, seen: Seen) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, source, view, seen);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    source: &Source,
    mut view: View,
    mut seen: Seen,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| draw(frame, &view, &seen))?;
        if next(&mut view)? == Effect::End {
            return Ok(());
        }
        seen = source.ask(&view, usize::from(terminal.size()?.height))?;
    }
}

/// Waits for a key that changes something, or the next second.
fn next(view: &mut View) -> io::Result<Effect> {
    let end = Instant::now() + PERIOD;
    while event::poll(end.saturating_duration_since(Instant::now()))? {
        let effect = match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => keys::press(view, key),
            Event::Resize(..) => Effect::Ask,
            _ => Effect::Nothing,
        };
        if effect != Effect::Nothing {
            return Ok(effect);
        }
    }
    Ok(Effect::Ask)
}

fn draw(frame: &mut Frame<'_>, view: &View, seen: &Seen) {
    let workers: Vec<Line<'_>> = seen
        .summary
        .workers
        .iter()
        .map(|it| Line::from(worker_line(it)))
        .collect();
    let height = workers.len().min(12) as u16 + 4;
    let areas = Layout::vertical([
        Constraint::Length(height),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [top, middle, bottom] = areas.areas(frame.area());
    let mut lines = workers;
    lines.truncate(12);
    lines.push(Line::from(format!(
        "waits: {}",
        counts(&seen.summary.waits)
    )));
    let block = Block::bordered().title(title(&seen.summary));
    frame.render_widget(Paragraph::new(lines).block(block), top);
    frame.render_widget(table(view, seen), middle);
    frame.render_widget(Paragraph::new(help(view)), bottom);
}

fn table<'a>(view: &View, seen: &Seen) -> Table<'a> {
    let widths = [
        Constraint::Length(8),
        Constraint::Max(24),
        Constraint::Fill(2),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    let heads = ["id", "name", "does", "for", "worker", "stack", "spawned at"];
    let rows = seen.list.rows.iter().map(|it| TableRow::new(cells(it)));
    let title = format!(
        "{} green threads, by {} {}",
        seen.list.matching,
        view.sort,
        view.order()
    );
    Table::new(rows, widths)
        .header(TableRow::new(heads).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(title))
}

fn help(view: &View) -> String {
    if view.is_typing {
        return format!("filter: {}_  (Enter keeps it, Esc clears it)", view.filter);
    }
    format!(
        "q quit  s sort by the next column  r reverse  / filter  Esc clear  [{}]",
        view.filter
    )
}
