//! The page as HTML. Whatever comes from elsewhere is escaped.

use super::{STYLE, View};
use crate::board::{Said, Trend};
use crate::human::{self, Figure};
use crate::keepalive::SENSU_VERSION;
use std::fmt::{self, Display, Write};
use venus_event::Severity;

/// The width and height of a trend, in units of its own.
const WIDTH: f32 = 360.0;
const HEIGHT: f32 = 48.0;
/// How long it is, in seconds: as long as there are points, an hour at most.
const SHORTEST: u64 = 300;
const HOUR: u64 = 3600;
/// How wide a status of a history is.
const STATUS: usize = 5;

/// As text or as the value of an attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char if char.is_control() => f.write_char(' ')?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

pub(super) fn page(view: &View<'_>) -> String {
    let name = Escaped(view.name);
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <style>{STYLE}</style><script src=\"page.js\" defer></script></head>\
         <body>{}<footer><nav aria-label=\"The same for programs\">\
         <a href=\"api/node\">JSON</a> <a href=\"metrics\">Prometheus</a> <a href=\"info\">connection</a>\
         </nav><p id=\"feed\" role=\"status\"></p></footer></body></html>",
        main(view)
    )
}

/// All that changes, without a line break. What has an id is replaced by itself.
pub(super) fn main(view: &View<'_>) -> String {
    let mut out = String::with_capacity(4096);
    out.push_str("<main>");
    // A String takes all that is written.
    node(view, &mut out).unwrap_or_default();
    out.push_str("<section class=\"trends\" aria-label=\"The last hour\">");
    for (figure, trend) in human::TRENDS.iter().zip(view.trends.all()) {
        trend_of(figure, trend, view.now, &mut out).unwrap_or_default();
    }
    out.push_str("</section>");
    checks(view, &mut out).unwrap_or_default();
    out.push_str("</main>");
    out
}

fn node(view: &View<'_>, out: &mut String) -> fmt::Result {
    let subscriptions = view.subscriptions.join(", ");
    let broker = match (view.transport, view.is_connected) {
        ("embedded", _) => "none is needed".to_owned(),
        (name, true) => format!("{name}, connected"),
        (name, false) => format!("{name}, not connected: results are kept"),
    };
    let waiting = view.in_memory + view.on_disk;
    write!(
        out,
        "<header id=\"node\"><h1>{}</h1><dl>\
         <div><dt>address</dt><dd>{}</dd></div>\
         <div><dt>subscriptions</dt><dd>{}</dd></div>\
         <div><dt>version</dt><dd>{SENSU_VERSION} (venus {})</dd></div>\
         <div><dt>broker</dt><dd>{broker}</dd></div>\
         <div><dt>results that wait</dt><dd>{waiting}</dd></div></dl></header>",
        Escaped(view.name),
        Escaped(view.address.unwrap_or("unknown")),
        Escaped(&subscriptions),
        env!("CARGO_PKG_VERSION"),
    )
}

fn trend_of(figure: &Figure, trend: &Trend, now: u64, out: &mut String) -> fmt::Result {
    let Figure { id, title, form } = figure;
    let (Some((first, _)), Some((_, last))) = (trend.points.front(), trend.points.back()) else {
        return Ok(());
    };
    let span = now.saturating_sub(*first).clamp(SHORTEST, HOUR);
    let most = trend.points.iter().map(|(_, value)| *value);
    let most = most.fold(0.0_f32, f32::max);
    let (last, top) = (form(*last), form(most));
    write!(
        out,
        "<figure id=\"trend-{id}\"><figcaption>{title} <b>{last}</b></figcaption>\
         <svg role=\"img\" aria-label=\"{title}: {last} now, {top} at most in the last hour\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\"><polyline points=\""
    )?;
    for (at, value) in &trend.points {
        let age = now.saturating_sub(*at).min(span);
        #[expect(clippy::cast_precision_loss, reason = "an hour has 3600 seconds")]
        let x = WIDTH * (1.0 - age as f32 / span as f32);
        let y = HEIGHT - 1.0 - (HEIGHT - 2.0) * value / most.max(f32::MIN_POSITIVE);
        write!(out, "{x:.0},{y:.1} ")?;
    }
    out.push_str("\"/></svg></figure>");
    Ok(())
}

fn checks(view: &View<'_>, out: &mut String) -> fmt::Result {
    let count = view.checks.len();
    write!(
        out,
        "<section class=\"checks\"><h2 id=\"count\">{count} checks</h2>\
         <table aria-labelledby=\"count\"><thead><tr><th scope=\"col\">check</th>\
         <th scope=\"col\">status</th><th scope=\"col\">output</th><th scope=\"col\">age</th>\
         <th scope=\"col\">next run</th><th scope=\"col\">history</th></tr></thead><tbody>"
    )?;
    for (name, said) in &view.checks {
        check(name, said, view.now, out)?;
    }
    out.push_str("</tbody></table></section>");
    Ok(())
}

fn check(name: &str, said: &Said, now: u64, out: &mut String) -> fmt::Result {
    let severity = Severity::of(said.status);
    let row = class(severity);
    let name = Escaped(name);
    let age = human::span(now.saturating_sub(said.executed));
    let next = match said.next {
        Some(next) if next > now => format!("in {}", human::span(next - now)),
        Some(_) => "now".to_owned(),
        None => String::new(),
    };
    write!(
        out,
        "<tr id=\"check-{name}\" class=\"{row}\"><th scope=\"row\">{name}</th><td><b>{severity}</b></td>\
         <td>{}</td><td>{age}</td><td>{next}</td><td>",
        Escaped(&said.output)
    )?;
    let worse = said.history.iter().filter(|status| **status != 0).count();
    let (all, width) = (said.history.len(), STATUS * said.history.len());
    write!(
        out,
        "<svg class=\"history\" role=\"img\" aria-label=\"{worse} of the last {all} not OK\" \
         width=\"{width}\" height=\"12\" viewBox=\"0 0 {width} 12\">"
    )?;
    for (place, status) in said.history.iter().enumerate() {
        let class = class(Severity::of(*status));
        let (x, wide) = (STATUS * place, STATUS - 1);
        // A height of its own, for who does not see colours.
        let high = if *status == 0 { 6 } else { 12 };
        let y = 12 - high;
        write!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\"/>"
        )?;
    }
    out.push_str("</svg></td></tr>");
    Ok(())
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Unknown => "unknown",
        Severity::Critical => "critical",
    }
}
