//! What is on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use std::time::Instant;
use venus_agent::human::{self, Figure};
use venus_agent::status::{Check, Node, Trend};
use venus_event::Severity;

/// The shortest and the longest time that a trend shows, in seconds.
const SHORTEST: u64 = 300;
const HOUR: u64 = 3600;
/// How fine a trend is drawn; a sparkline is eight steps a line.
const STEPS: f32 = 1000.0;
/// From how many lines on trends are drawn, and how high.
const ROOMY: u16 = 20;
const TREND: u16 = 4;
/// From how wide a screen on the next run and the history are shown.
const WIDE: u16 = 90;
/// How wide the name of a check is at most.
const NAME: usize = 32;
const HISTORY: u16 = 21;

/// A node, and which part of its checks is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    node: Node,
    /// When it answered.
    since: Instant,
    /// Why it does not answer any more.
    complaint: Option<String>,
    /// The first check that is shown, and how many there is room for.
    first: usize,
    room: usize,
}

/// Which checks to show next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scroll {
    /// So many further down.
    Lines(isize),
    /// So many screens further down.
    Pages(isize),
    /// Those at the top.
    First,
    /// Those at the end.
    Last,
}

impl Screen {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            since: Instant::now(),
            complaint: None,
            first: 0,
            room: 0,
        }
    }

    /// What the agent said stays there when it says nothing any more.
    pub(crate) fn take(&mut self, answer: Result<Node, String>) {
        match answer {
            Ok(node) => {
                (self.node, self.since, self.complaint) = (node, Instant::now(), None);
            }
            Err(why) => self.complaint = Some(why),
        }
    }

    pub(crate) fn scroll(&mut self, scroll: Scroll) {
        let page = isize::try_from(self.room.max(1)).unwrap_or(isize::MAX);
        self.first = match scroll {
            Scroll::Lines(lines) => self.first.saturating_add_signed(lines),
            Scroll::Pages(pages) => self.first.saturating_add_signed(pages.saturating_mul(page)),
            Scroll::First => 0,
            Scroll::Last => usize::MAX,
        };
    }

    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>) {
        let trends: Vec<_> = human::TRENDS
            .iter()
            .filter_map(|figure| Some((figure, self.node.trends.get(figure.id)?)))
            .filter(|(_, trend)| !trend.points.is_empty())
            .collect();
        let is_roomy = frame.area().height >= ROOMY;
        let high = match (trends.is_empty(), is_roomy) {
            (true, _) => 0,
            (false, true) => TREND,
            (false, false) => 1,
        };
        let [head, middle, checks, foot] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(high),
            Constraint::Min(2),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        let now = self.now();
        if is_roomy {
            let places = vec![Constraint::Fill(1); trends.len()];
            let places = Layout::horizontal(places).spacing(2).split(middle);
            for ((figure, trend), place) in trends.iter().zip(places.iter()) {
                draw_trend(frame, *place, figure, trend, now);
            }
        } else {
            let figures = trends.iter().filter_map(|(figure, trend)| {
                let (_, last) = trend.points.last()?;
                Some(format!("{} {}", figure.title, (figure.form)(*last)))
            });
            let figures: Vec<String> = figures.collect();
            frame.render_widget(Paragraph::new(figures.join("  ")), middle);
        }
        self.draw_checks(frame, checks, now);
        frame.render_widget(self.foot(), foot);
    }

    /// The node's clock, as far as it is known.
    fn now(&self) -> u64 {
        self.node.client.timestamp + self.since.elapsed().as_secs()
    }

    fn head(&self) -> Paragraph<'_> {
        let connection = Line::from(self.node.connection());
        let connection = if self.node.transport.connected {
            connection
        } else {
            connection.fg(Color::Red)
        };
        Paragraph::new(vec![Line::from(self.node.identity()).bold(), connection])
    }

    fn foot(&self) -> Paragraph<'_> {
        let Some(why) = &self.complaint else {
            return Paragraph::new(Line::from("q ends   arrows, page up and down scroll").dim());
        };
        let span = human::span(self.since.elapsed().as_secs());
        let text = format!("no answer since {span}: {why}");
        Paragraph::new(Line::from(text).fg(Color::Red).bold())
    }

    fn draw_checks(&mut self, frame: &mut Frame<'_>, place: Rect, now: u64) {
        let checks = &self.node.checks;
        // The titles have a line.
        self.room = usize::from(place.height.saturating_sub(1));
        self.first = self.first.min(checks.len().saturating_sub(self.room));
        let is_wide = place.width >= WIDE;
        let shown = checks.iter().skip(self.first).take(self.room);
        let rows = shown.map(|check| row(check, now, is_wide));
        let names = checks.iter().map(|check| check.name.chars().count());
        let name = names.max().unwrap_or(0).clamp(5, NAME);
        let name = Constraint::Length(u16::try_from(name).unwrap_or(0));
        let mut titles = vec!["STATUS", "CHECK", "AGE"];
        let mut widths = vec![Constraint::Length(8), name, Constraint::Length(7)];
        if is_wide {
            titles.extend(["NEXT", "HISTORY"]);
            widths.extend([Constraint::Length(7), Constraint::Length(HISTORY)]);
        }
        let count = format!("OUTPUT of {} checks", checks.len());
        let titles = titles.into_iter().map(str::to_owned).chain([count]);
        widths.push(Constraint::Fill(1));
        let titles = Row::new(titles).add_modifier(Modifier::REVERSED);
        frame.render_widget(
            Table::new(rows, widths).header(titles).column_spacing(2),
            place,
        );
    }
}

fn row(check: &Check, now: u64, is_wide: bool) -> Row<'_> {
    let severity = Severity::of(check.status);
    let status = Span::styled(severity.to_string(), style(severity));
    let age = human::span(now.saturating_sub(check.executed));
    let mut cells = vec![
        Line::from(status),
        Line::from(check.name.as_str()),
        Line::from(age).right_aligned(),
    ];
    if is_wide {
        let next = match check.next {
            Some(next) if next > now => human::span(next - now),
            Some(_) => "now".to_owned(),
            None => String::new(),
        };
        let history = check.history.iter().map(|status| {
            let severity = Severity::of(*status);
            Span::styled(mark(severity), style(severity))
        });
        cells.extend([Line::from(next).right_aligned(), history.collect()]);
    }
    cells.push(Line::from(check.output.as_str()));
    Row::new(cells)
}

/// A height of its own, for who does not see colours.
fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "▁",
        Severity::Warning => "▄",
        Severity::Unknown => "▆",
        Severity::Critical => "█",
    }
}

fn style(severity: Severity) -> Style {
    let style = Style::new();
    match severity {
        Severity::Ok => style.fg(Color::Green),
        Severity::Warning => style.fg(Color::Yellow).bold(),
        Severity::Unknown => style.fg(Color::Magenta).bold(),
        Severity::Critical => style.fg(Color::Red).bold(),
    }
}

fn draw_trend(frame: &mut Frame<'_>, place: Rect, figure: &Figure, trend: &Trend, now: u64) {
    let (Some((first, _)), Some((_, last))) = (trend.points.first(), trend.points.last()) else {
        return;
    };
    let span = now.saturating_sub(*first).clamp(SHORTEST, HOUR);
    let values = columns(trend, now, span, usize::from(place.width));
    let most = trend.points.iter().map(|(_, value)| *value);
    let most = most.fold(f32::MIN_POSITIVE, f32::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most STEPS, and what is below 0 is 0"
    )]
    let heights = values.map(|value| value.map(|value| (STEPS * value / most) as u64));
    let last = (figure.form)(*last);
    let title = Line::from(vec![format!("{} ", figure.title).into(), last.bold()]);
    let line = Sparkline::default()
        .block(Block::new().title(title))
        .data(heights)
        .absent_value_symbol(" ")
        .max(1000);
    frame.render_widget(line, place);
}

/// The mean of each column's share of the last `span` seconds; none where nothing was measured.
fn columns(trend: &Trend, now: u64, span: u64, count: usize) -> impl Iterator<Item = Option<f32>> {
    let mut sums = vec![(0.0, 0.0); count];
    for (at, value) in &trend.points {
        let age = now.saturating_sub(*at);
        let place = (span.saturating_sub(age)).saturating_mul(count as u64) / span.max(1);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if age < span
            && let Some((sum, of)) = sums.get_mut(place.min(count.saturating_sub(1)))
        {
            *sum += value;
            *of += 1.0;
        }
    }
    let mean = |(sum, of): (f32, f32)| (of > 0.0).then(|| sum / of);
    sums.into_iter().map(mean)
}
