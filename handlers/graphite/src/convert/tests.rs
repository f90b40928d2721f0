use super::*;
use crate::settings::tests::settings;
use proptest::prelude::*;
use serde_json::json;

const NOW: u64 = 1_795_477_200;

const ALL: [Format; 5] = [
    Format::Graphite,
    Format::Perfdata,
    Format::Influx,
    Format::OpenTsdb,
    Format::Prometheus,
];

fn naming(tags: &str) -> Naming {
    let settings = settings(&json!({"prefix": "p", "tags": tags}));
    Naming::new(&settings, "c", "k")
}

fn convert_with(format: Format, output: &str, tags: &[Tag<'_>], naming: &Naming) -> Lines {
    let mut sink = Sink::new(naming, NOW);
    format.convert(output, tags, &mut sink);
    sink.lines
}

fn convert(format: Format, output: &str) -> Lines {
    convert_with(format, output, &[], &naming("path"))
}

/// Converts an output of which nothing is bad.
#[track_caller]
fn good(format: Format, output: &str) -> String {
    let lines = convert(format, output);
    assert_eq!(lines.complaint(), None);
    lines.text().replace(" 1795477200\n", "\n")
}

#[track_caller]
fn fault(format: Format, output: &str) -> String {
    let complaint = convert(format, output).complaint().unwrap();
    complaint.rsplit_once(": ").unwrap().1.to_owned()
}

#[test]
fn graphite_lines_keep_value_and_path() {
    assert_eq!(
        convert(
            Format::Graphite,
            "\n c.a \t 1.50 1795477201\r\nb;x=y -2e3 -1\n\n"
        )
        .text(),
        "p.c.a 1.50 1795477201\np.b;x=y -2e3 1795477200\n"
    );
}

#[test]
fn bad_graphite_lines_cost_only_themselves() {
    let output = "a 1 1795477200\nb 1\nc x 1795477200\nd 1 17\ne/f 1 N\ng 1 N h\nz 2 N\n";
    let lines = convert(Format::Graphite, output);
    assert_eq!(lines.text(), "p.a 1 1795477200\np.z 2 1795477200\n");
    assert_eq!(
        lines.complaint().unwrap(),
        "5 of 7 lines left out, the first is \"b 1\": it is not PATH VALUE TIME"
    );
    for (line, why) in [
        ("c x 1795477200", "its value is no finite number"),
        ("c nan 1795477200", "its value is no finite number"),
        ("d 1 17", "its time is not one in seconds since 1970"),
        ("e/f 1 N", "'/' cannot stand in a path"),
        ("e..f 1 N", "a node of the path is empty"),
        ("e;f 1 N", "a tag of the path is not NAME=VALUE"),
        ("a 1 N b", "it is not PATH VALUE TIME"),
    ] {
        assert_eq!(fault(Format::Graphite, line), why, "{line}");
    }
}

#[test]
fn perfdata_is_named_by_client_and_check() {
    let output = "DISK OK | /=2643MB;5948;5958;0;5968 'a b''s'=0.5% load=-1e2;; n=3c u=U\n\
                  long text = nothing\nmore | last=1s\n'x y'=2\nz=0;1:;@2\n";
    assert_eq!(
        good(Format::Perfdata, output),
        "p.c.k._ 2643\np.c.k.a_b_s 0.5\np.c.k.load -1e2\np.c.k.n 3\np.c.k.last 1\n\
         p.c.k.x_y 2\np.c.k.z 0\n"
    );
    assert_eq!(good(Format::Perfdata, "OK, nothing to say\n"), "");
    assert_eq!(good(Format::Perfdata, ""), "");
}

#[test]
fn bad_perfdata_costs_only_itself() {
    let lines = convert(
        Format::Perfdata,
        "OK | a=1 b =2 c=x d=1,5 'e f=3 g=1e g2=7 =4 h=8kB/s ''=1 i=9",
    );
    let paths: Vec<&str> = lines.text().lines().collect();
    // The quote that is not closed is a word of its own.
    assert_eq!(
        paths,
        [
            "p.c.k.a 1 1795477200",
            "p.c.k.f 3 1795477200",
            "p.c.k.g 1 1795477200",
            "p.c.k.g2 7 1795477200",
            "p.c.k.i 9 1795477200",
        ]
    );
    // `b`, `=2`, `c=x`, `d=1,5`, `'e`, `=4`, `h=8kB/s` and `''=1`.
    assert_eq!(lines.bad(), 8);
    for (output, why) in [
        ("|a=x", "its value is no finite number"),
        ("|a=", "its value is no finite number"),
        ("|a", "it is not 'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX"),
        ("|'a'1", "it is not 'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX"),
        ("|'a", "it is not 'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX"),
        ("|a=1.2.3", "its value is no finite number"),
        ("|a=+-1", "its value is no finite number"),
    ] {
        assert_eq!(fault(Format::Perfdata, output), why, "{output}");
    }
}

#[test]
fn influx_lines_have_a_path_for_each_field() {
    let output = "# comment\n\
        cpu,host=a,core=0 user=1.5,sys=2i,up=t,name=\"x, y=1 z\" 1795477200000000000\n\
        my\\ disk,path=/var\\,log free\\=d=3u,down=false 1795477200\n\
        load a=1\n";
    assert_eq!(
        good(Format::Influx, output),
        "p.c.cpu.user.0.a 1.5\np.c.cpu.sys.0.a 2\np.c.cpu.up.0.a 1\n\
         p.c.my_disk.free=d._var_log 3\np.c.my_disk.down._var_log 0\np.c.load.a 1\n"
    );
}

#[test]
fn bad_influx_lines_cost_only_themselves() {
    for (line, why) in [
        ("cpu", "it is not MEASUREMENT,TAG=VALUE FIELD=VALUE TIME"),
        (
            "cpu user",
            "it is not MEASUREMENT,TAG=VALUE FIELD=VALUE TIME",
        ),
        (
            ",a=b c=1",
            "it is not MEASUREMENT,TAG=VALUE FIELD=VALUE TIME",
        ),
        (
            "cpu,a c=1",
            "it is not MEASUREMENT,TAG=VALUE FIELD=VALUE TIME",
        ),
        ("cpu =1", "it is not MEASUREMENT,TAG=VALUE FIELD=VALUE TIME"),
        ("cpu a=x", "its value is no finite number"),
        ("cpu a=1 x", "its time is not one in seconds since 1970"),
        ("cpu a=1 5", "its time is not one in seconds since 1970"),
    ] {
        assert_eq!(fault(Format::Influx, line), why, "{line}");
    }
    // A bad field is left out, its neighbours are not.
    let lines = convert(Format::Influx, "m a=1,b=x,c=2");
    assert_eq!((lines.good(), lines.bad()), (2, 1));
}

#[test]
fn opentsdb_lines_with_and_without_put() {
    let output = "put sys.cpu.user 1795477200 42.5 host=a cpu=0\nsys.load 1795477200000 1\n";
    assert_eq!(
        good(Format::OpenTsdb, output),
        "p.c.sys.cpu.user.0.a 42.5\np.c.sys.load 1\n"
    );
    for (line, why) in [
        ("put a 1795477200", "it is not METRIC TIME VALUE TAG=VALUE"),
        ("a 1795477200 1 b", "it is not METRIC TIME VALUE TAG=VALUE"),
        ("a x 1", "its time is not one in seconds since 1970"),
        ("a 1795477200 inf", "its value is no finite number"),
    ] {
        assert_eq!(fault(Format::OpenTsdb, line), why, "{line}");
    }
}

#[test]
fn prometheus_text() {
    let output = "# HELP http_requests_total n\n# TYPE http_requests_total counter\n\
        http_requests_total{code=\"200\",path=\"/a}b\\\"\"} 1027 1795477200000\n\
        up 1\nnothing NaN\nlatency{le=\"+Inf\",} 5\n";
    assert_eq!(
        good(Format::Prometheus, output),
        "p.c.http_requests_total.200._a_b_ 1027\np.c.up 1\np.c.latency.+Inf 5\n"
    );
    for line in [
        "up",
        "up{a=\"b\" 1",
        "up{a=b} 1",
        "{a=\"b\"} 1",
        "up 1 2 3",
        "up{a=\"b\"}",
    ] {
        assert_eq!(
            fault(Format::Prometheus, line),
            "it is not METRIC{LABEL=\"VALUE\"} VALUE TIME",
            "{line}"
        );
    }
}

#[test]
fn tags_of_the_check_are_added_as_the_settings_want_them() {
    let tags = [("dc".into(), "a".into())];
    for (format, output, path, graphite) in [
        (Format::Graphite, "x;b=c 1 N", "p.x.a;b=c", "p.x;dc=a;b=c"),
        (
            Format::Influx,
            "x,b=c y=1",
            "p.c.x.y.c.a",
            "p.c.x.y;b=c;dc=a",
        ),
        (Format::OpenTsdb, "x 1795477200 1", "p.c.x.a", "p.c.x;dc=a"),
        (Format::Prometheus, "x 1", "p.c.x.a", "p.c.x;dc=a"),
    ] {
        for (kind, expected) in [("path", path), ("graphite", graphite)] {
            let lines = convert_with(format, output, &tags, &naming(kind));
            assert_eq!(
                lines.text(),
                format!("{expected} 1 1795477200\n"),
                "{format:?}"
            );
        }
    }
}

#[test]
fn outputs_that_are_hard_to_read_take_no_longer_than_others() {
    // Each of these would take hours if a line were read once for each of its parts.
    let long = 200_000;
    for (format, output) in [
        (Format::Perfdata, "|".to_owned() + &"a ".repeat(long)),
        (Format::Perfdata, "|".to_owned() + &"'' ".repeat(long)),
        (Format::Perfdata, "|".to_owned() + &"'a".repeat(long)),
        (
            Format::Influx,
            "m".to_owned() + &",a=b".repeat(long) + " " + &"c=1,".repeat(long),
        ),
        (Format::Influx, "\"".repeat(long)),
        (
            Format::OpenTsdb,
            "m 1795477200 1".to_owned() + &" a=b".repeat(long),
        ),
        (
            Format::Prometheus,
            "m{".to_owned() + &"a=\"b\",".repeat(long) + "} 1",
        ),
    ] {
        let lines = convert(format, &output);
        assert!(lines.bad() > 0, "{format:?}");
    }
}

/// An output in which what has a meaning is frequent.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ ,=;|'\"{}\\\\.\\n\\t#-]{1,3}",
        "[a-z0-9]{1,4}",
        Just("1795477200".to_owned()),
        "\\PC{1,3}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_a_check_prints_each_line_is_one_that_carbon_takes(output in hostile(), kind: bool) {
        let naming = naming(if kind { "path" } else { "graphite" });
        for format in ALL {
            let tags = [("d".into(), output.clone().into())];
            let lines = convert_with(format, &output, &tags, &naming);
            prop_assert_eq!(lines.text().lines().count(), lines.good());
            prop_assert_eq!(lines.bad() > 0, lines.complaint().is_some());
            for line in lines.text().lines() {
                prop_assert!(line.is_ascii());
                // Read again, it is the same: nothing in it is bad.
                let settings = settings(&json!({}));
                let plain = Naming::new(&settings, "", "");
                let again = convert_with(Format::Graphite, line, &[], &plain);
                prop_assert_eq!(again.text().trim_end(), line);
            }
        }
    }

    #[test]
    fn a_good_graphite_line_passes(path in "[a-z]{1,5}(\\.[a-z]{1,5}){0,3}", value: i64, time in 1_000_000_000..=4_294_967_295_u64) {
        let line = format!("{path} {value} {time}\n");
        let lines = convert(Format::Graphite, &line);
        prop_assert_eq!(lines.text(), format!("p.{line}"));
    }

    #[test]
    fn any_label_of_perfdata_can_be_quoted(label in "[^\\n\\r|]{1,40}", value: i32) {
        let output = format!("|'{}'={value}s", label.replace('\'', "''"));
        let lines = convert(Format::Perfdata, &output);
        prop_assert_eq!(
            lines.text(),
            format!("p.c.k.{} {value} {NOW}\n", path::nodes(&label))
        );
    }
}
