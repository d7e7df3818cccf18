//! Plots as SVG.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(127, 127, 127),
];

/// A line for each series over a number of users, both axes logarithmic.
pub fn lines(path: &Path, title: &str, y_label: &str, series: &[(String, Vec<(f64, f64)>)]) {
    let area = SVGBackend::new(path, (860, 460)).into_drawing_area();
    area.fill(&WHITE).expect("an SVG");
    let points = || series.iter().flat_map(|(_, points)| points);
    let (first, last) =
        points().fold((f64::MAX, 1.0_f64), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let highest = points().fold(2.0_f64, |high, (_, y)| high.max(*y)) * 1.5;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(12)
        .margin_right(40)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d((first..last.max(first * 10.0)).log_scale(), (1.0..highest).log_scale())
        .expect("axes");
    let number = |number: &f64| crate::report::thousands(*number as u64);
    chart
        .configure_mesh()
        .x_desc("users of the team")
        .y_desc(y_label)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style((FONT, 13))
        .light_line_style(TRANSPARENT)
        .draw()
        .expect("a mesh");
    for ((name, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        let line = chart
            .draw_series(LineSeries::new(points.clone(), style).point_size(3))
            .expect("a line");
        line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, 13))
        .draw()
        .expect("a legend");
    area.present().expect("the plot is saved");
}

/// A bar for each value, its name beside it; and one line to hold them against.
pub fn bars(path: &Path, title: &str, values: &[(String, f64)], reference: Option<(f64, &str)>) {
    const ROW: i32 = 22;
    const LEFT: i32 = 350;
    const WIDTH: i32 = 400;
    let rows = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let height = 64 + ROW * rows;
    let area = SVGBackend::new(path, (860, height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE).expect("an SVG");
    let most = values
        .iter()
        .map(|(_, value)| *value)
        .chain(reference.map(|(at, _)| at))
        .fold(f64::MIN_POSITIVE, f64::max);
    let at = |value: f64| LEFT + (value / most * f64::from(WIDTH)) as i32;
    let text = |text: &str, place: (i32, i32), anchor: HPos, size: i32, colour: &RGBColor| {
        let style = (FONT, size).into_font().color(colour).pos(Pos::new(anchor, VPos::Center));
        area.draw(&Text::new(text.to_owned(), place, style)).expect("a text");
    };
    text(title, (430, 20), HPos::Center, 18, &BLACK);
    for (row, (name, value)) in (0..).zip(values) {
        let y = 44 + ROW * row;
        text(name, (LEFT - 8, y + ROW / 2), HPos::Right, 13, &BLACK);
        let bar = Rectangle::new(
            [(LEFT, y + 3), (at(*value).max(LEFT + 1), y + ROW - 3)],
            COLOURS[0].filled(),
        );
        area.draw(&bar).expect("a bar");
        let figure = if *value >= 10.0 {
            crate::report::thousands(value.round() as u64)
        } else {
            format!("{value:.3}")
        };
        text(&figure, (at(*value) + 6, y + ROW / 2), HPos::Left, 13, &BLACK);
    }
    if let Some((value, name)) = reference {
        let (x, bottom) = (at(value), 44 + ROW * rows);
        area.draw(&PathElement::new([(x, 40), (x, bottom)], COLOURS[1].stroke_width(1)))
            .expect("a line");
        // On the side where there is room.
        let (anchor, x) =
            if x > LEFT + WIDTH / 2 { (HPos::Right, x - 4) } else { (HPos::Left, x + 4) };
        text(name, (x, bottom + 10), anchor, 12, &COLOURS[1]);
    }
    area.present().expect("the plot is saved");
}
