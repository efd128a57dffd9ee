//! What every format must keep up for any findings over any text.

use std::ops::Range;

use proptest::prelude::{any, prop, proptest};
use serde_json::Value;

use super::{Format, Style, render};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Family, Label, Level};
use crate::source::{FileId, Source, Sources, Span, is_deceptive};

static DUPLICATE: Code = Code {
    name: "duplicate-address",
    family: Family::Addresses,
    level: Level::Error,
    summary: "two owners claim one address",
    explain: "",
};
static TAG: Code = Code {
    name: "floating-image-tag",
    family: Family::Security,
    level: Level::Warning,
    summary: "an image tag that may move",
    explain: "",
};

const INVENTORY: &str = "\
[services.plex]
ip = \"192.168.1.61\"

[services.sonarr]
image = \"sonarr:latest\"

[services.jellyfin]
ip = \"192.168.1.61\"
";

fn sources(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add(Source::new("inventory.toml", text));
    sources
}

fn span(range: Range<usize>) -> Span {
    Span::new(FileId(0), range)
}

/// The span of the `nth` place (from 0) that reads `part`.
fn find(text: &str, part: &str, nth: usize) -> Span {
    let (at, part) = text.match_indices(part).nth(nth).unwrap();
    span(at..at + part.len())
}

fn clash() -> Diagnostics {
    let mut found = Diagnostics::default();
    let second = find(INVENTORY, "\"192.168.1.61\"", 1);
    let finding = DUPLICATE.at(second, "claimed here by `jellyfin`", "192.168.1.61 is claimed twice");
    let first = find(INVENTORY, "\"192.168.1.61\"", 0);
    found.push(finding.because(first, "already claimed by `plex`").help("192.168.1.62 is free"));
    found.push(TAG.at(find(INVENTORY, "\"sonarr:latest\"", 0), "", "`latest` may move"));
    found
}

fn one(diagnostic: Diagnostic) -> Diagnostics {
    let mut found = Diagnostics::default();
    found.push(diagnostic);
    found
}

fn text(found: &Diagnostics, sources: &Sources) -> String {
    render(Format::Text, found, sources, &[], Style::default())
}

fn document(format: Format, found: &Diagnostics, sources: &Sources) -> Value {
    serde_json::from_str(&render(format, found, sources, &[&TAG, &DUPLICATE], Style::default())).unwrap()
}

#[test]
fn both_places_stand_in_one_snippet() {
    let expected = r#"warning[floating-image-tag]: `latest` may move
 --> inventory.toml:5:9
  |
5 | image = "sonarr:latest"
  |         ^^^^^^^^^^^^^^^

error[duplicate-address]: 192.168.1.61 is claimed twice
 --> inventory.toml:8:6
  |
2 | ip = "192.168.1.61"
  |      -------------- already claimed by `plex`
...
8 | ip = "192.168.1.61"
  |      ^^^^^^^^^^^^^^ claimed here by `jellyfin`
  |
  = help: 192.168.1.62 is free

1 error, 1 warning; `bayplan explain duplicate-address` says more
"#;
    assert_eq!(text(&clash(), &sources(INVENTORY)), expected);
}

#[test]
fn places_in_other_files_and_far_away_are_drawn_apart() {
    let far = format!("a = 1\n{}b = 2\n", "\n".repeat(5000));
    let mut sources = sources(&far);
    let other = sources.add(Source::new("home lab/other.toml", "c = 3\n"));
    let finding = DUPLICATE.at(find(&far, "2", 0), "here", "m").because(find(&far, "1", 0), "far");
    let report = text(&one(finding.because(Span::new(other, 4..5), "elsewhere")), &sources);
    let places: Vec<&str> = report.lines().filter(|line| line.contains(".toml:")).map(str::trim).collect();
    assert_eq!(
        places,
        ["--> inventory.toml:5002:5", "::: inventory.toml:1:5", "::: home lab/other.toml:1:5"]
    );
    assert!(report.lines().count() < 20, "{report}");
}

#[test]
fn colour_and_unicode_only_when_asked_for() {
    let plain = text(&clash(), &sources(INVENTORY));
    assert!(plain.is_ascii() && !plain.contains('\u{1b}'));
    let style = Style { color: true, unicode: true, width: Some(80) };
    let rich = render(Format::Text, &clash(), &sources(INVENTORY), &[], style);
    assert!(rich.contains('\u{1b}') && rich.contains('\u{256d}'), "{rich}");
}

#[test]
fn no_findings_no_text() {
    let none = Diagnostics::default();
    assert_eq!(text(&none, &sources("")), "");
    assert_eq!(render(Format::Github, &none, &sources(""), &[], Style::default()), "");
    let json = document(Format::Json, &none, &sources(""));
    assert_eq!(
        json,
        serde_json::json!({"version": 1, "diagnostics": [], "summary": {"errors": 0, "warnings": 0}})
    );
}

/// A finding need not have a place, and then no file need have been read.
#[test]
fn a_finding_without_a_place() {
    let mut finding = DUPLICATE.at(span(0..0), "", "the plan wants a path that is taken").help("move it");
    finding.labels.clear();
    let found = one(finding);
    let none = Sources::default();
    assert!(text(&found, &none).starts_with("error[duplicate-address]: the plan wants"));
    assert!(text(&found, &none).contains("help: move it"));
    assert_eq!(document(Format::Json, &found, &none)["diagnostics"][0]["labels"], serde_json::json!([]));
    assert_eq!(
        document(Format::Sarif, &found, &none)["runs"][0]["results"][0]["locations"],
        serde_json::json!([])
    );
    let github = render(Format::Github, &found, &none, &[], Style::default());
    assert_eq!(
        github,
        "::error title=duplicate-address::the plan wants a path that is taken%0Ahelp: move it\n"
    );
}

#[test]
fn empty_files_and_the_end_of_file() {
    for (text_of, at, place) in
        [("", 0, "1:1"), ("a = 1\n", 6, "2:1"), ("a = 1", 5, "1:6"), ("a\r\n", 99, "2:1")]
    {
        let report = text(&one(DUPLICATE.at(span(at..at + 9), "here", "m")), &sources(text_of));
        assert!(report.contains(&format!("--> inventory.toml:{place}\n")), "{report}");
        assert!(report.contains("^ here"), "{report}");
    }
}

#[test]
fn spans_over_lines_end_where_their_text_ends() {
    let source = "a = [\r\n 1,\r\n 2]\r\nb = 3\r\n";
    let report =
        text(&one(DUPLICATE.at(find(source, "[\r\n 1,\r\n 2]\r\n", 0), "this list", "m")), &sources(source));
    assert!(report.contains("3 | |  2]\n  | |___^ this list"), "{report}");
    assert!(!report.contains("..."), "{report}");
    let long = format!("a = [\n{}]\n", " 1,\n".repeat(10_000));
    let report = text(&one(DUPLICATE.at(span(4..long.len()), "this list", "m")), &sources(&long));
    assert!(report.contains("1 | a = [\n  |     ^ this list"), "{report}");
}

/// The caret under `x` must stand in the column where a terminal shows `x`.
fn assert_lined_up(before: &str, columns: usize) {
    let source = format!("{before}x");
    let place = find(&source, "x", 0);
    let report = text(&one(DUPLICATE.at(place, "", "m")), &sources(&source));
    let carets = report.lines().find(|line| line.ends_with('^')).unwrap();
    assert_eq!(carets.chars().count(), "1 | ".len() + columns + 1, "{before:?}\n{report}");
    let column = before.chars().count() + 1;
    assert!(report.contains(&format!("inventory.toml:1:{column}\n")), "{report}");
}

#[test]
fn marks_line_up_under_tabs_wide_and_escaped_characters() {
    assert_lined_up("ab ", 3);
    assert_lined_up("a\t\t", 9);
    assert_lined_up("日本 ", 5);
    assert_lined_up("🐳 ", 3);
    assert_lined_up("\u{1b}[31m", r"\u{1b}[31m".len());
    assert_lined_up("\u{202e}\u{9b}\u{7f}", r"\u{202e}\u{9b}\u{7f}".len());
    assert_lined_up("e\u{301} ", 2);
}

#[test]
fn a_megabyte_in_one_line_is_cut_around_its_mark() {
    let source =
        format!("x = [{}\"needle\", {}]\n", "\"wörd\", ".repeat(100_000), "\"more\", ".repeat(100_000));
    let message = "é".repeat(1_000_000);
    let finding = DUPLICATE.at(find(&source, "\"needle\"", 0), &message, &message);
    let report = text(&one(finding.help(&message)), &sources(&source));
    assert!(report.len() < 20_000, "{}", report.len());
    assert!(report.contains("inventory.toml:1:800006\n"), "{report}");
    assert!(report.contains("\"wörd\", \"needle\", \"more\""), "{report}");
}

fn many(count: usize) -> (Diagnostics, Sources) {
    let source = "ip = 1\n".repeat(count);
    let mut found = Diagnostics::default();
    for nth in (0..count).rev() {
        found.push(DUPLICATE.at(find_line(nth), "here", format!("number {nth}")));
    }
    found.push(TAG.at(find_line(count / 2), "", "moves"));
    (found, sources(&source))
}

fn find_line(nth: usize) -> Span {
    span(nth * 7 + 5..nth * 7 + 6)
}

#[test]
fn two_hundred_findings_are_abridged_in_file_order() {
    let (found, sources) = many(200);
    let report = text(&found, &sources);
    assert_eq!(report.matches("--> ").count(), 11);
    assert!(report.contains("\nerror[duplicate-address] inventory.toml:11:6: number 10\n"), "{report}");
    let places: Vec<usize> = (0..200).map(|nth| report.find(&format!("number {nth}\n")).unwrap()).collect();
    assert!(places.is_sorted());
    assert!(
        report.ends_with("\n\n200 errors, 1 warning; `bayplan explain duplicate-address` says more\n  200 duplicate-address\n    1 floating-image-tag\n"),
        "{report}"
    );
}

#[test]
fn beyond_a_limit_findings_are_counted_only() {
    let (found, sources) = many(20_000);
    let report = text(&found, &sources);
    assert!(report.lines().count() < 700);
    assert!(
        report.ends_with("19490 of them are not shown here; `--format json` lists all\n"),
        "{}",
        report.len()
    );
}

#[test]
fn many_places_are_counted() {
    let source = "ip = 1\n".repeat(5000);
    let mut finding = DUPLICATE.at(find_line(0), "here", "m");
    for nth in 1..5000 {
        finding = finding.because(find_line(nth), "and here");
    }
    let report = text(&one(finding), &sources(&source));
    assert!(report.contains("= note: and 4988 more places"), "{report}");
    assert!(report.lines().count() < 40, "{report}");
}

#[test]
fn json_keeps_its_shape() {
    let expected = serde_json::json!({
        "version": 1,
        "diagnostics": [
            { "rule": "floating-image-tag", "level": "warning", "message": "`latest` may move",
              "labels": [ { "file": "inventory.toml", "primary": true, "text": "",
                            "start": { "line": 5, "column": 9 }, "end": { "line": 5, "column": 24 } } ],
              "help": null },
            { "rule": "duplicate-address", "level": "error", "message": "192.168.1.61 is claimed twice",
              "labels": [ { "file": "inventory.toml", "primary": true, "text": "claimed here by `jellyfin`",
                            "start": { "line": 8, "column": 6 }, "end": { "line": 8, "column": 20 } },
                          { "file": "inventory.toml", "primary": false, "text": "already claimed by `plex`",
                            "start": { "line": 2, "column": 6 }, "end": { "line": 2, "column": 20 } } ],
              "help": "192.168.1.62 is free" },
        ],
        "summary": { "errors": 1, "warnings": 1 },
    });
    let json = render(Format::Json, &clash(), &sources(INVENTORY), &[], Style::default());
    assert_eq!(json, format!("{expected:#}\n"));
}

#[test]
fn sarif_names_rules_and_places() {
    let sarif = document(Format::Sarif, &clash(), &sources(INVENTORY));
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "duplicate-address");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let result = &run["results"][1];
    assert_eq!((&result["ruleId"], &result["ruleIndex"]), (&"duplicate-address".into(), &1.into()));
    let region = serde_json::json!({"startLine": 8, "startColumn": 6, "endLine": 8, "endColumn": 20});
    assert_eq!(result["locations"][0]["physicalLocation"]["region"], region);
    assert_eq!(result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 2);
}

#[test]
fn fingerprints_survive_moving_lines_and_tell_equal_findings_apart() {
    let prints = |text_of: &str| {
        let mut found = one(DUPLICATE.at(find(text_of, "1", 0), "", "m"));
        found.push(DUPLICATE.at(find(text_of, "2", 0), "", "m"));
        let sarif = document(Format::Sarif, &found, &sources(text_of));
        let print = |nth: usize| sarif["runs"][0]["results"][nth]["partialFingerprints"].clone();
        (print(0), print(1))
    };
    let (first, second) = prints("a = 1\nb = 2\n");
    assert_ne!(first, second);
    assert_eq!(prints("\n\na = 1\nb = 2\n"), (first, second));
}

#[test]
fn a_link_in_a_name_is_none_in_sarif() {
    let found = one(DUPLICATE.at(span(0..0), "", "[click](https://example.org)"));
    let sarif = document(Format::Sarif, &found, &sources(""));
    assert_eq!(sarif["runs"][0]["results"][0]["message"]["text"], "[click] (https://example.org)");
}

#[test]
fn no_name_forges_a_workflow_command() {
    let evil = "x\n::error file=a::b\r\n::add-mask::%0A\u{1b}[31m";
    let mut sources = Sources::default();
    sources.add(Source::new("a,b:c%\n::stop-commands::x", "ip = 1"));
    let found = one(DUPLICATE.at(span(0..2), evil, evil).because(span(3..4), evil).help(evil));
    let github = render(Format::Github, &found, &sources, &[], Style::default());
    assert_eq!(github.lines().count(), 1);
    assert!(
        github.starts_with(r"::error file=a%2Cb%3Ac%25\n%3A%3Astop-commands%3A%3Ax,line=1,endLine=1,col=1,"),
        "{github}"
    );
    assert!(github.contains(r"%250A\u{1b}[31m"), "{github}");
}

#[test]
fn columns_are_left_out_of_annotations_over_several_lines() {
    let found = one(DUPLICATE.at(span(0..9), "", "m"));
    let github = render(Format::Github, &found, &sources("a = [\n1,\n]"), &[], Style::default());
    assert_eq!(github, "::error file=inventory.toml,line=1,endLine=3,title=duplicate-address::m\n");
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("yaml\u{1b}".parse::<Format>().is_err_and(|error| !error.contains('\u{1b}')));
}

/// Text that is likely to break a drawing: few letters, many controls, line ends, wide characters.
const ANY_TEXT: &str = "([a-b =\"\\[\\]]|\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\n|\n|\r\n|\t|日|🐳|\u{202e}|\u{200d}|\u{fdd0}0\u{fdd1}:1|::error|%){0,60}";

type AnyLabel = (bool, u32, u32, String);

fn any_findings(findings: Vec<(String, Vec<AnyLabel>)>) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (message, labels) in findings {
        let mut finding = DUPLICATE.at(span(0..0), "", message.clone());
        let label = |(primary, start, end, text): AnyLabel| Label {
            span: Span { file: FileId(0), start, end },
            text,
            primary,
        };
        finding.labels = labels.into_iter().map(label).collect();
        found.push(finding.help(message));
    }
    found
}

fn assert_harmless(text: &str) {
    assert!(!text.chars().any(|c| c != '\n' && is_deceptive(c)), "{text:?}");
}

proptest! {
    #[test]
    fn any_spans_over_any_text(
        source in ANY_TEXT,
        findings in prop::collection::vec(
            (ANY_TEXT, prop::collection::vec((any::<bool>(), 0u32..130, 0u32..130, ANY_TEXT), 0..5)), 0..4),
        unicode in any::<bool>(),
        width in prop::option::of(0usize..200),
    ) {
        let found = any_findings(findings);
        let mut sources = Sources::default();
        sources.add(Source::new(source.clone(), source));
        let style = |color| Style { color, unicode, width };
        render(Format::Text, &found, &sources, &[], style(true));
        assert_harmless(&render(Format::Text, &found, &sources, &[], style(false)));
        for format in [Format::Json, Format::Sarif] {
            let json = render(format, &found, &sources, &[&TAG], style(true));
            assert_harmless(&json);
            serde_json::from_str::<Value>(&json).unwrap();
        }
        let github = render(Format::Github, &found, &sources, &[], style(true));
        assert_harmless(&github);
        assert!(github.lines().all(|line| line.starts_with("::error ")));
    }
}

#[test]
fn very_many_findings_of_one_line_have_their_columns() {
    let text = "ä = 1, ".repeat(100_000);
    let mut found = Diagnostics::default();
    for at in (0..text.len()).step_by(8) {
        found.push(DUPLICATE.at(span(at..at + 2), "", format!("the {at}th")));
    }
    for (format, place) in [(Format::Text, ":1:729: "), (Format::Github, "col=729,")] {
        assert!(render(format, &found, &sources(&text), &[], Style::default()).contains(place));
    }
    let json = document(Format::Json, &found, &sources(&text));
    assert_eq!(json["diagnostics"][99_999]["labels"][0]["start"]["column"], 699_994);
}

#[test]
fn what_is_hidden_is_shown_by_no_format() {
    let text = "env = { TOKEN = \"s3cr3t·wörd\", ip = \"x\" }\n";
    let mut found = Diagnostics::default();
    found.push(DUPLICATE.at(find(text, "ip", 0), "", "beside a secret"));
    found.hide(find(text, "\"s3cr3t·wörd\"", 0));
    for format in Format::ALL {
        let report = render(format, &found, &sources(text), &[&DUPLICATE], Style::default());
        assert!(!report.contains("s3cr3t") && !report.contains("wörd"), "{report}");
    }
    let report = render(Format::Text, &found, &sources(text), &[], Style::default());
    assert!(report.contains("\"******·") && report.contains("inventory.toml:1:32"), "{report}");
}
