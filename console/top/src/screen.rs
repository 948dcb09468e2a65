//! The screen: workers at the top, green threads or one's story below, once a second.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyEventKind};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row as TableRow, Table, TableState, Wrap};
use ratatui::{DefaultTerminal, Frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::ask::{Seen, Source};
use crate::asker::Asker;
use crate::keys::{self, Effect};
use crate::once::{cells, counts, deadlock_lines, title, worker_lines};
use crate::story;
use crate::view::View;

const PERIOD: Duration = Duration::from_secs(1);
/// How often is looked for an answer.
const LOOK: Duration = Duration::from_millis(10);
/// An answer that takes so long is said to.
const SLOW: Duration = Duration::from_millis(500);
/// Lines of workers, and of deadlocks, at most.
const LINES: usize = 12;

/// Shows until `q` is pressed, a signal says to end, or the program does not answer any more.
pub(crate) fn run(source: Source, view: View, seen: Seen) -> io::Result<()> {
    let asker = Asker::start(source)?;
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    let mut terminal = ratatui::try_init()?;
    let mut screen = Screen::new(view, seen, asker, ended);
    let shown = screen.show(&mut terminal);
    ratatui::restore();
    shown
}

/// What is shown, and what will be.
struct Screen {
    view: View,
    seen: Seen,
    /// The workers, with their numbers since the look before.
    workers: Vec<String>,
    asker: Asker,
    /// When to ask again.
    due: Instant,
    /// A signal has said so.
    ended: Arc<AtomicBool>,
}

impl Screen {
    fn new(mut view: View, seen: Seen, asker: Asker, ended: Arc<AtomicBool>) -> Screen {
        view.ids = ids(&seen);
        Screen {
            workers: worker_lines(&seen, None),
            view,
            seen,
            asker,
            due: Instant::now() + PERIOD,
            ended,
        }
    }

    fn show(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        loop {
            self.ask(terminal.size()?.height)?;
            terminal.draw(|frame| self.draw(frame))?;
            if self.wait()? == Effect::End || self.ended.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    /// Asks if it is time to; again after the open question, if a key has changed what is wanted.
    fn ask(&mut self, rows: u16) -> io::Result<()> {
        if Instant::now() >= self.due && self.asker.ask(&self.view, rows.into())? {
            self.due = Instant::now() + PERIOD;
        }
        Ok(())
    }

    /// Waits for a key that changes something, an answer, or the time to ask.
    fn wait(&mut self) -> io::Result<Effect> {
        let asked = self.asker.asked();
        let time = match asked {
            Some(_) => LOOK,
            None => self.due.saturating_duration_since(Instant::now()),
        };
        if event::poll(time)? {
            return self.heed(event::read()?);
        }
        if let Some(seen) = self.asker.answer()? {
            self.take(seen);
        }
        Ok(Effect::Nothing)
    }

    fn heed(&mut self, event: Event) -> io::Result<Effect> {
        let effect = match event {
            Event::Key(key) if key.kind == KeyEventKind::Press => keys::press(&mut self.view, key),
            Event::Resize(..) => Effect::Ask,
            _ => Effect::Nothing,
        };
        if effect == Effect::Ask {
            self.due = Instant::now();
        }
        Ok(effect)
    }

    fn take(&mut self, seen: Seen) {
        self.workers = worker_lines(&seen, Some(&self.seen.metrics));
        self.view.ids = ids(&seen);
        let lines = seen.story.as_ref().map_or(0, |it| story::lines(it).len());
        self.view.lines = lines.try_into().unwrap_or(u16::MAX);
        self.seen = seen;
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let lines = self.head();
        let areas = Layout::vertical([
            Constraint::Length(lines.len() as u16 + 2),
            Constraint::Min(3),
            Constraint::Length(1),
        ]);
        let [top, middle, bottom] = areas.areas(frame.area());
        let block = Block::bordered().title(title(&self.seen.summary));
        frame.render_widget(Paragraph::new(lines).block(block), top);
        self.draw_middle(frame, middle);
        frame.render_widget(Paragraph::new(self.help()), bottom);
    }

    fn head(&self) -> Vec<Line<'static>> {
        let workers = self.workers.iter().take(LINES).cloned();
        let mut lines: Vec<Line<'_>> = workers.map(Line::from).collect();
        let deadlocks = deadlock_lines(&self.seen).into_iter().take(LINES);
        lines.extend(deadlocks.map(|it| Line::from(it).red().bold()));
        let waits = counts(&self.seen.summary.waits);
        lines.push(Line::from(format!("waits: {waits}")));
        lines
    }

    fn draw_middle(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(id) = self.view.opened else {
            let mut state = TableState::new().with_selected(self.view.selected_row());
            return frame.render_stateful_widget(self.table(), area, &mut state);
        };
        let block = Block::bordered().title(format!("green thread {id}"));
        let lines = match &self.seen.story {
            _ if self.seen.opened != Some(id) => Vec::new(),
            Some(it) => story::lines(it),
            None => vec!["it has ended".into()],
        };
        let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
        let text = Paragraph::new(lines).wrap(Wrap { trim: false });
        frame.render_widget(text.scroll((self.view.passed, 0)).block(block), area);
    }

    fn table(&self) -> Table<'static> {
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
        let list = &self.seen.list;
        let (matching, sort) = (list.matching, self.view.sort);
        let title = format!("{matching} green threads, by {sort} {}", self.view.order());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let rows = list.rows.iter().map(|it| TableRow::new(cells(it)));
        Table::new(rows, widths)
            .header(TableRow::new(heads).style(bold))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
            .block(Block::bordered().title(title))
    }

    fn help(&self) -> String {
        let slow = self.asker.asked().map(|it| it.elapsed());
        if let Some(time) = slow.filter(|it| *it > SLOW) {
            return format!("no answer for {:.1} s; q quit", time.as_secs_f64());
        }
        let filter = &self.view.filter;
        if self.view.is_typing {
            return format!("filter: {filter}_  (Enter keeps it, Esc clears it)");
        }
        if self.view.opened.is_some() {
            return "q quit  ↑ ↓ more lines  Esc back".into();
        }
        format!(
            "q quit  ↑ ↓ select  Enter look  s sort  r reverse  / filter  Esc clear  [{filter}]"
        )
    }
}

fn ids(seen: &Seen) -> Vec<u64> {
    seen.list.rows.iter().map(|it| it.id).collect()
}
