//! `Results`: the samples of several rounds, and the Markdown tables of their medians and ratios.

use crate::sample::Sample;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;

/// Samples by row, competitor and round.
#[derive(Debug)]
pub struct Results {
    rows: Vec<String>,
    competitors: Vec<String>,
    /// Of each row, of each competitor.
    samples: Vec<Vec<Vec<Sample>>>,
    failures: Vec<String>,
}

/// How the figures under a key are made into the text of a cell.
pub type Cell<'a> = &'a dyn Fn(&[f64]) -> String;

impl Results {
    pub fn new(rows: &[&str], competitors: &[&str]) -> Results {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Results {
            rows: owned(rows),
            competitors: owned(competitors),
            samples: vec![vec![Vec::new(); competitors.len()]; rows.len()],
            failures: Vec::new(),
        }
    }

    pub fn add(&mut self, row: usize, competitor: usize, sample: Sample) {
        if let Sample::Failed(why) = &sample {
            let names = format!("{} {}", self.competitors[competitor], self.rows[row]);
            let text = format!("{names}: {why}");
            if !self.failures.contains(&text) {
                self.failures.push(text);
            }
        }
        self.samples[row][competitor].push(sample);
    }

    pub fn rows(&self) -> &[String] {
        &self.rows
    }

    pub fn competitors(&self) -> &[String] {
        &self.competitors
    }

    /// The median; with ` ratio` at the end of the key, that of the ratios to the first competitor.
    pub fn figure(&self, row: usize, competitor: usize, key: &str) -> Option<f64> {
        let figures = match key.strip_suffix(" ratio") {
            Some(key) => self.ratios_of(row, competitor, key),
            None => self.figures_of(row, competitor, key),
        };
        (!figures.is_empty()).then(|| median(&figures))
    }

    /// What the last sample says under that key.
    pub fn text(&self, row: usize, competitor: usize, key: &str) -> Option<&str> {
        match self.samples[row][competitor].last()? {
            Sample::Figures(figures) => figures.get(key)?.as_str(),
            _ => None,
        }
    }

    /// Whether a limit was met, which the next round would only meet again.
    fn has_failed(&self, row: usize, competitor: usize) -> bool {
        let mut samples = self.samples[row][competitor].iter();
        samples.any(|sample| matches!(sample, Sample::Failed(_)))
    }

    /// A table with a line a row and a column a competitor.
    pub fn by_row(&self, title: &str, key: &str, cell: Cell<'_>) -> String {
        let mut table = head(title, self.competitors.iter().map(String::as_str));
        for row in 0..self.rows.len() {
            let cells = (0..self.competitors.len()).map(|it| self.cell(row, it, key, cell));
            line(&mut table, &self.rows[row], cells);
        }
        table
    }

    /// The same, of ratios to the first competitor: the median of those of the single rounds.
    pub fn ratios(&self, title: &str, key: &str) -> String {
        let mut table = head(title, self.competitors.iter().map(String::as_str));
        for row in 0..self.rows.len() {
            let cells = (0..self.competitors.len()).map(|it| self.ratio(row, it, key));
            line(&mut table, &self.rows[row], cells);
        }
        table
    }

    /// A table of one row, with a line a competitor and a column a key.
    pub fn by_key(&self, title: &str, row: usize, keys: &[(&str, &str)]) -> String {
        let mut table = head(title, keys.iter().map(|(_, label)| *label));
        for (at, competitor) in self.competitors.iter().enumerate() {
            let cells = keys
                .iter()
                .map(|(key, _)| match key.strip_suffix(" ratio") {
                    Some(key) => self.ratio(row, at, key),
                    None => self.cell(row, at, key, &median_text),
                });
            line(&mut table, competitor, cells);
        }
        table
    }

    /// What made the cells that say so fail, and how busy others were.
    pub fn notes(&self) -> String {
        let mut notes: String = self
            .failures
            .iter()
            .map(|text| format!("* failed: {text}\n"))
            .collect();
        let all = self.samples.iter().flatten().flatten();
        let mut noise: Vec<f64> = all.filter_map(|sample| figure(sample, "noise")).collect();
        noise.sort_by(f64::total_cmp);
        if let (Some(middle), Some(worst)) = (noise.get(noise.len() / 2), noise.last()) {
            let percent = |share: &f64| (share * 100.0).round();
            let (middle, worst) = (percent(middle), percent(worst));
            let _ = writeln!(
                notes,
                "* used by others meanwhile: {middle} % of the machine (median), \
                 {worst} % (worst sample)"
            );
        }
        notes
    }

    fn figures_of(&self, row: usize, competitor: usize, key: &str) -> Vec<f64> {
        let samples = self.samples[row][competitor].iter();
        samples.filter_map(|it| figure(it, key)).collect()
    }

    fn cell(&self, row: usize, competitor: usize, key: &str, cell: Cell<'_>) -> String {
        let figures = self.figures_of(row, competitor, key);
        if !figures.is_empty() {
            return cell(&figures);
        }
        match self.has_failed(row, competitor) {
            true => "fails",
            false => "–",
        }
        .into()
    }

    /// Those of the single rounds.
    fn ratios_of(&self, row: usize, competitor: usize, key: &str) -> Vec<f64> {
        let (own, first) = (&self.samples[row][competitor], &self.samples[row][0]);
        let pairs = own.iter().zip(first);
        let ratios = pairs.filter_map(|(own, first)| Some(figure(own, key)? / figure(first, key)?));
        ratios.filter(|ratio| ratio.is_finite()).collect()
    }

    fn ratio(&self, row: usize, competitor: usize, key: &str) -> String {
        let ratios = self.ratios_of(row, competitor, key);
        match ratios.is_empty() {
            true => "–".into(),
            false => format!("{:.2}", median(&ratios)),
        }
    }
}

/// Each round measures each row of each competitor once, by their places; who comes first changes
/// from round to round.
pub fn rounds(
    rounds: usize,
    rows: &[&str],
    competitors: &[&str],
    measure: impl Fn(usize, usize) -> Sample,
) -> Results {
    let mut results = Results::new(rows, competitors);
    // Hidden by itself where standard error is no terminal.
    let progress = ProgressBar::new((rounds * rows.len() * competitors.len()) as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}");
    progress.set_style(style.expect("a valid template"));
    for round in 0..rounds {
        for (row, name) in rows.iter().enumerate() {
            for turn in 0..competitors.len() {
                let at = (turn + round) % competitors.len();
                progress.set_message(format!("{} {name}", competitors[at]));
                if !results.has_failed(row, at) {
                    results.add(row, at, measure(row, at));
                }
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    results
}

fn figure(sample: &Sample, key: &str) -> Option<f64> {
    match sample {
        Sample::Figures(figures) => figures.get(key)?.as_f64(),
        _ => None,
    }
}

fn head<'a>(title: &str, columns: impl Iterator<Item = &'a str>) -> String {
    let columns: Vec<&str> = columns.collect();
    let rule = "---:|".repeat(columns.len());
    format!(
        "### {title}\n\n|  | {} |\n|---|{rule}\n",
        columns.join(" | ")
    )
}

fn line(table: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    (sorted[low] + sorted[high]) / 2.0
}

/// The median, in three digits or whole.
pub fn median_text(figures: &[f64]) -> String {
    match median(figures) {
        zero if zero.abs() < 0.0005 => "0".into(),
        small if small.abs() < 9.995 => format!("{small:.2}"),
        medium if medium.abs() < 99.95 => format!("{medium:.1}"),
        large => format!("{large:.0}"),
    }
}

/// The median, and half of the range in percent of it, if there is more than one figure.
pub fn spread_text(figures: &[f64]) -> String {
    if figures.len() < 2 {
        return median_text(figures);
    }
    let (least, most) = figures
        .iter()
        .fold((f64::MAX, f64::MIN), |(least, most), &figure| {
            (least.min(figure), most.max(figure))
        });
    let spread = (most - least) / 2.0 / median(figures).abs().max(f64::MIN_POSITIVE) * 100.0;
    format!("{} ±{spread:.0}%", median_text(figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(value: f64) -> Sample {
        Sample::Figures([("cpu".to_string(), json!(value))].into_iter().collect())
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds() {
        let mut results = Results::new(&["row"], &["first", "second", "third"]);
        for (first, second) in [(1.0, 2.0), (10.0, 30.0), (1.0, 9.0)] {
            results.add(0, 0, sample(first));
            results.add(0, 1, sample(second));
        }
        results.add(0, 2, Sample::Failed("too many".into()));
        assert_eq!(results.ratio(0, 1, "cpu"), "3.00");
        let table = results.by_row("title", "cpu", &spread_text);
        assert!(
            table.contains("| row | 1.00 ±450% | 9.00 ±156% | fails |"),
            "{table}"
        );
        assert!(results.notes().contains("third row: too many"));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
