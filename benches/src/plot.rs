//! The tables as pictures: dots on a line for each row, or lines over a growing number.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

/// What a picture is drawn on.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Names, and the points under them.
pub type Series = Vec<(String, Vec<(f64, f64)>)>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1040;
const LINE: u32 = 30;
const MARGIN: u32 = 180;
const PANEL: u32 = 330;
const TITLE: (&str, i32) = ("sans-serif", 19);
const LABEL: (&str, i32) = ("sans-serif", 13);

/// A dot for each competitor on a line for each row; less is to the left, on a logarithmic axis.
///
/// `series` holds for each competitor the rows, by their places, and its figures.
///
/// # Errors
///
/// When the file cannot be written.
pub fn dots(path: &Path, title: &str, unit: &str, rows: &[String], series: &Series) -> Drawn {
    let height = MARGIN + LINE * rows.len() as u32;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let figures = series.iter().flat_map(|(_, points)| points);
    let (least, most) = range(figures.map(|(_, figure)| *figure));
    let mut chart = ChartBuilder::on(&area)
        .caption(title, TITLE)
        .margin(12)
        .margin_right(130)
        .x_label_area_size(40)
        .y_label_area_size(320)
        .build_cartesian_2d((least..most).log_scale(), -0.5..rows.len() as f64 - 0.5)?;
    let name = |at: &f64| name_at(rows, *at);
    chart
        .configure_mesh()
        .y_labels(2 * rows.len() + 1)
        .y_label_formatter(&name)
        .x_label_formatter(&short)
        .x_desc(unit)
        .label_style(LABEL)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (name, points) in series {
        let last = rows.len() as f64 - 1.0;
        let style = style(name);
        let drawn = points
            .iter()
            .map(|&(row, figure)| Circle::new((figure, last - row), 5, style));
        chart.draw_series(drawn)?;
    }
    legend(&area, series, (WIDTH as i32 - 110, 44))?;
    Ok(area.present()?)
}

/// A panel for each kind, two a line, with a line for each competitor; both axes are logarithmic.
///
/// # Errors
///
/// When the file cannot be written.
pub fn lines(path: &Path, title: &str, unit: &str, panels: &[(String, Series)]) -> Drawn {
    let height = 50 + PANEL * panels.len().div_ceil(2) as u32;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, TITLE)?;
    let places = area.split_evenly((panels.len().div_ceil(2), 2));
    for (place, (kind, series)) in places.iter().zip(panels) {
        panel(place, kind, unit, series)?;
    }
    Ok(area.present()?)
}

fn panel(area: &Area<'_>, kind: &str, unit: &str, series: &Series) -> Drawn {
    let points = || series.iter().flat_map(|(_, points)| points);
    let (least, most) = range(points().map(|(_, figure)| *figure));
    let (few, many) = range(points().map(|(count, _)| *count));
    let mut chart = ChartBuilder::on(area)
        .caption(kind, TITLE)
        .margin(10)
        .margin_right(110)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d((few..many).log_scale(), (least..most).log_scale())?;
    chart
        .configure_mesh()
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .y_desc(unit)
        .x_desc("how many")
        .label_style(LABEL)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (name, points) in series {
        let style = style(name);
        let drawn = LineSeries::new(points.iter().copied(), style.filled().stroke_width(2));
        chart.draw_series(drawn.point_size(3))?;
        let dots = points.iter().map(|&point| Circle::new(point, 4, style));
        chart.draw_series(dots)?;
    }
    legend(area, series, (WIDTH as i32 / 2 - 95, 44))
}

/// Which colour is whose, from `place` downwards.
fn legend(area: &Area<'_>, series: &Series, (x, y): (i32, i32)) -> Drawn {
    for ((name, _), y) in series.iter().zip((y..).step_by(16)) {
        area.draw(&Circle::new((x, y), 4, style(name)))?;
        area.draw(&Text::new(name.as_str(), (x + 10, y - 6), LABEL))?;
    }
    Ok(())
}

/// A little more than from the least to the most.
fn range(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    let positive = figures.filter(|figure| *figure > 0.0);
    let (least, most) = positive.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), it| {
        (least.min(it), most.max(it))
    });
    (least.min(most) / 1.5, most * 1.5)
}

/// The row's name in the middle of its line, and nothing between lines.
fn name_at(rows: &[String], at: f64) -> String {
    let is_between = (at - at.round()).abs() > 0.01;
    let row = rows.len() as f64 - 1.0 - at.round();
    if is_between || row < 0.0 {
        return String::new();
    }
    rows.get(row as usize).cloned().unwrap_or_default()
}

fn short(figure: &f64) -> String {
    match *figure {
        small if small < 1.0 => format!("{small:.2}"),
        medium if medium < 1e3 => format!("{}", (medium * 10.0).round() / 10.0),
        large if large < 1e6 => format!("{}k", (large / 100.0).round() / 10.0),
        huge => format!("{}M", (huge / 1e5).round() / 10.0),
    }
}

/// A colour for whose it is; hollow for one that has two workers.
fn style(name: &str) -> ShapeStyle {
    const COLOURS: [(&str, RGBColor); 11] = [
        ("greenloop-hub", RGBColor(120, 200, 140)),
        ("greenloop", RGBColor(0, 135, 60)),
        ("tokio-ct", RGBColor(240, 150, 160)),
        ("tokio", RGBColor(200, 50, 75)),
        ("hyper-ct", RGBColor(240, 150, 160)),
        ("hyper", RGBColor(200, 50, 75)),
        ("may", RGBColor(143, 91, 214)),
        ("go", RGBColor(0, 150, 200)),
        ("gevent", RGBColor(224, 160, 0)),
        ("threads", RGBColor(130, 130, 130)),
        ("corosensei", RGBColor(30, 30, 30)),
    ];
    let whose = name.trim_end_matches("-1").trim_end_matches("-2");
    let known = COLOURS.iter().find(|(known, _)| *known == whose);
    ShapeStyle {
        color: known.map_or(BLACK, |(_, colour)| *colour).to_rgba(),
        filled: !name.ends_with("-2"),
        stroke_width: 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_from_the_top() {
        let rows = ["first", "second"].map(String::from);
        assert_eq!(name_at(&rows, 1.0), "first");
        assert_eq!(name_at(&rows, 0.0), "second");
        assert_eq!(name_at(&rows, 0.5), "");
        assert_eq!(name_at(&rows, -0.5), "");
    }

    #[test]
    fn a_picture_is_written() {
        let place = std::env::temp_dir().join(format!("greenloop-plot-{}.svg", std::process::id()));
        let series = vec![("greenloop-1".to_string(), vec![(0.0, 10.0), (1.0, 1000.0)])];
        let rows = ["one", "two"].map(String::from);
        dots(&place, "title", "ns", &rows, &series).unwrap();
        let drawn = std::fs::read_to_string(&place).unwrap();
        std::fs::remove_file(&place).unwrap();
        assert!(drawn.contains("greenloop-1") && drawn.contains("two"));
    }
}
