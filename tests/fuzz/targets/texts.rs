//! Whole files: the inventory, what people and Flux put into the tree, what is said about them.

use std::sync::LazyLock;

use bayplan::check::manifests::{HandWritten, image_updates as read_back, manifests as listed};
use bayplan::diagnostic::{Diagnostics, Level};
use bayplan::object::Value;
use bayplan::object::emit::emit;
use bayplan::object::read::{DEEPEST, read_documents};
use bayplan::report::{Format, Style, render};
use bayplan::source::{FileId, Source, Sources, Span};
use bayplan::tree::{Existing, Medium, Plan, TreePath};
use bayplan::{Inputs, catalog, check, compile};

use super::{Target, files, lines, text};
use crate::dice::Decisions;
use crate::trail::Trail;

const TOML: &[&str] = &[
    "[services.w]\nstack = \"a\"\nimage = \"x:1\"\n",
    "[stacks.a]\n",
    "[environments.prod]\n",
    "[charts.c]\n",
    "[nodes.n]\nip = \"10.0.0.9\"\n",
    "ip = \"auto\"\n",
    "ip = \"10.0.0.1\"\n",
    "ports.http = 80\n",
    "enabled = false\n",
    "false",
    "\"\"",
    "[]",
    "{}",
    "${services.plex.url}",
    "${cluster.domain}",
    "${x.y}",
    "1979-05-27T07:32:00Z",
    "'''",
    "\"\"\"",
    "[metallb.pools.p]\naddresses = [\"10.0.0.0/24\"]\n",
    "depends-on = [\"w\"]\n",
    "talks-to = [\"w\"]\n",
    "node = \"n\"\n",
    "replicas = 3\n",
    "host = \"a.example.com\"\n",
];

fn inventories() -> Vec<Vec<u8>> {
    let mut seeds = files("tests/cases/check", ".toml");
    seeds.extend(files("tests/inventories", ".toml"));
    seeds.extend(files("src/cli/init", ".toml"));
    seeds
}

pub const INVENTORY_TOML: Target = Target {
    name: "inventory-toml",
    short: 60,
    longest: 48 * 1024,
    seeds: inventories,
    words: TOML,
    run: |input, trail| inspect("inventory.toml", &text(input), trail),
};

pub const INVENTORY_YAML: Target = Target {
    name: "inventory-yaml",
    short: 60,
    longest: 48 * 1024,
    seeds: || {
        let as_yaml = |toml: Vec<u8>| {
            let table: toml::Table = String::from_utf8(toml).ok()?.parse().ok()?;
            Some(emit(&serde_json::to_value(table).ok()?).into_bytes())
        };
        let mut seeds: Vec<Vec<u8>> = inventories().into_iter().filter_map(as_yaml).collect();
        seeds.extend(files("tests/cases/check", ".yaml"));
        seeds
    },
    words: &[
        "&a ",
        "*a",
        "<<: *a\n",
        "- ",
        ": ",
        "? ",
        "!!int ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "{",
        "[",
        "'",
        "%YAML 1.1\n",
    ],
    run: |input, trail| inspect("inventory.yaml", &text(input), trail),
};

/// Reads, resolves, checks and reports.
fn inspect(name: &str, text: &str, trail: &mut Trail) {
    let inputs = Inputs::new(name, text);
    let found = check(&inputs).diagnostics;
    trail.note_all(&found);
    assert_shows_nothing_dangerous(&found, &inputs.sources);
}

/// What a terminal or the runner of a workflow obeys.
fn assert_shows_nothing_dangerous(found: &Diagnostics, sources: &Sources) {
    let style = Style { color: false, unicode: true, width: Some(100) };
    for format in Format::ALL {
        let report = render(format, found, sources, catalog::codes(), style);
        let harmless = |c: char| {
            c == '\n' || !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(report.chars().all(harmless), "{} report: {report:?}", format.name());
        match format {
            Format::Github => {
                assert!(
                    report.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")),
                    "{report}"
                );
                assert!(report.lines().count() <= found.iter().count());
            }
            Format::Json | Format::Sarif => drop(serde_json::from_str::<Value>(&report).unwrap()),
            Format::Text => {
                assert!(!report.lines().any(|line| line.trim_start().starts_with("::")), "{report}");
            }
        }
    }
}

pub const WHOLE_RUNS: Target = Target {
    name: "whole-runs",
    short: 5,
    longest: 48 * 1024,
    seeds: || {
        let clean = |text: &Vec<u8>| {
            let inputs = Inputs::new("inventory.toml", &String::from_utf8_lossy(text));
            check(&inputs).diagnostics.count(Level::Error) == 0
        };
        inventories().into_iter().filter(clean).collect()
    },
    words: TOML,
    run: whole_run,
};

/// Whatever is rendered stays below its folder, is ours, and is YAML.
fn whole_run(input: &[u8], trail: &mut Trail) {
    let mut inputs = Inputs::new("inventory.toml", &text(input));
    let outcome = compile(&mut inputs);
    trail.note_all(&outcome.diagnostics);
    assert_shows_nothing_dangerous(&outcome.diagnostics, &inputs.sources);
    let Some(tree) = outcome.value else { return };
    for (path, content) in tree.iter() {
        trail.note("file", path.name());
        assert_eq!(TreePath::parse(path.as_str()).as_ref(), Ok(path));
        if path.name().ends_with(".yaml") {
            let documents =
                read_documents(content).unwrap_or_else(|error| panic!("{path}: {error}\n{content}"));
            assert!(!documents.is_empty(), "{path} is empty");
        }
    }
    let plan = Plan::compare(&tree, &Existing::default(), false, &|_| None);
    assert!(plan.diff("out", Medium::Terminal).chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
    let mut again = Inputs::new("inventory.toml", &text(input));
    assert_eq!(compile(&mut again).value, Some(tree), "a second run renders something else");
}

pub const REFERENCES: Target = Target {
    name: "references",
    short: 60,
    longest: 4000,
    seeds: || {
        lines(&[
            "${cluster.domain}\n${services.web.url}\n$${x.y}\n${NAME}\n",
            "${charts.c.values.a1}\n${charts.c.values.a2}\n${charts.c.values.a0}\n",
            "${charts.c.values.a1}${charts.c.values.a1}\n${charts.c.values.a2}${charts.c.values.a2}\nx\n",
            "${nodes.n.ip}\n${services.web.ip}\n${services.web.ports.http}\n${addresses.x}\n${nodes.n.labels}\n",
            "${}\n${.}\n${a.}\n${cluster.domain\n${cluster..domain}\n${${cluster.name}.x}\n${nodes.*.ip}\n",
        ])
    },
    words: &[
        "${",
        "}",
        "$${",
        "${cluster.domain}",
        "${services.web.",
        "url}",
        "host}",
        "ip}",
        "${charts.c.values.a0}",
        "${charts.c.",
        "${nodes.n.ip}",
        "${stacks.a.namespace}",
        "${environments.prod.",
        ".",
        "${secrets.s.",
        "${nfs.n.server}",
        "${metallb.pools.p.addresses}",
    ],
    run: references,
};

/// Each line is a value in a place where references are replaced.
fn references(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    let mut inventory = String::from(
        "[cluster]\nname = \"lab\"\ndomain = \"example.com\"\n[nodes.n]\nip = \"10.0.0.9\"\n[stacks.a]\n[environments.prod]\n\
         [services.web]\nstack = \"a\"\nimage = \"x:1\"\nports.http = 80\nhost = \"web.example.com\"\n",
    );
    let quoted: Vec<String> = text.lines().map(|line| toml::Value::from(line).to_string()).collect();
    for (index, line) in quoted.iter().enumerate() {
        inventory.push_str(&format!("env.A{index} = {line}\n"));
    }
    inventory.push_str("[charts.c]\nrepository = \"https://charts.example.com\"\nchart = \"c\"\nversion = \"1.0.0\"\nnamespace = \"n\"\n");
    for (index, line) in quoted.iter().enumerate() {
        inventory.push_str(&format!("values.a{index} = {line}\n"));
    }
    inspect("inventory.toml", &inventory, trail);
}

pub const MANIFESTS: Target = Target {
    name: "manifests",
    short: 100,
    longest: 16 * 1024,
    seeds: || {
        let mut seeds = files("out", ".yaml");
        seeds.extend(lines(&[
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  x: y\n",
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\nspec: {encryptedData: {x: AgB}}\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: ENC[AES256]}\nsops: {mac: x}\n",
            "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "a: {<<: {b: 1}}\n---\n- 1\n...\n# x\n", "? [a]\n: b\n", "!!binary aGk=\n", "a: 0644\nb: 1_000\n",
        ]));
        seeds
    },
    words: &[
        "apiVersion: v1\n",
        "kind: Secret\n",
        "stringData:\n  a: b\n",
        "data:\n",
        "sops:\n  x: y\n",
        "metadata:\n  name: x\n",
        "*a",
        "&a ",
    ],
    run: manifests,
};

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn manifests(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    match read_documents(&text) {
        Ok(documents) => {
            for document in &documents {
                assert!(depth(document) <= DEEPEST + 1, "{} deep", depth(document));
                let again = read_documents(&emit(document));
                assert_eq!(again.as_deref(), Ok(std::slice::from_ref(document)), "written and read again");
            }
        }
        Err(error) => trail.note("read", &error.message),
    }
    let mut sources = Sources::default();
    let file = sources.add(Source::new("out/mine.yaml", &*text));
    let file = HandWritten { path: TreePath::parse("apps/a/mine.yaml").unwrap(), file };
    let mut found = Diagnostics::default();
    let count = listed([(&file, sources.get(file.file))].into_iter(), &mut found).len();
    trail.note("listed", ["none", "one"][count]);
    trail.note_all(&found);
    assert_shows_nothing_dangerous(&found, &sources);
}

static UPDATED: LazyLock<String> = LazyLock::new(|| {
    String::from_utf8(
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inventories/flux-full.toml")).unwrap(),
    )
    .unwrap()
});

pub const IMAGE_UPDATES: Target = Target {
    name: "image-updates",
    short: 60,
    longest: 8 * 1024,
    seeds: || {
        let mut seeds = files("tests/golden", "images.yaml");
        seeds.extend(lines(&[
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: images\ndata:\n  web: ghcr.io/example/web:1.2.3 # {\"$imagepolicy\": \"flux-system:web\"}\n  plex: x:1\n",
            "data:\n  a: x:1\n  ü: y:2\n",
        ]));
        seeds
    },
    words: &[
        "data:\n",
        "  web: ",
        "ghcr.io/",
        ":1.0",
        "@sha256:",
        " # {\"$imagepolicy\": \"flux-system:web\"}",
    ],
    run: image_updates,
};

fn image_updates(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    let mut found = Diagnostics::default();
    let images = read_back(&Source::new("out/flux/images.yaml", &*text), FileId(0), &mut found);
    trail.note_all(&found);
    trail.note("images", &"x".repeat(images.len().min(10)));
    let mut inputs = Inputs::new("inventory.toml", &UPDATED);
    inputs.image_updates = Some(inputs.sources.add(Source::new("out/flux/images.yaml", &*text)));
    let found = check(&inputs).diagnostics;
    trail.note_all(&found);
    assert_shows_nothing_dangerous(&found, &inputs.sources);
}

const WITH_FILES: &str = "[charts.c]\nrepository = \"https://charts.example.com\"\nchart = \"c\"\nversion = \"1.0.0\"\nnamespace = \"n\"\n\
    values-file = \"values.yaml\"\nvalues.a.b = 1\n[stacks.a]\n[stacks.a.dashboards.d]\nfile = \"d.json\"\n[environments.prod]\n";

pub const VALUES_FILES: Target = Target {
    name: "values-files",
    short: 60,
    longest: 16 * 1024,
    seeds: || {
        let mut seeds = files("tests/inventories/values", ".yaml");
        seeds.extend(files("tests/inventories/dashboards", ".json"));
        seeds.extend(lines(&[
            "a:\n  b: {c: 1}\n",
            "a: &a {b: *a}\n",
            "a: 1\n---\nb: 2\n",
            "[1, 2]\n",
            "{\"title\": \"x\", \"uid\": \"y\", \"panels\": []}",
        ]));
        seeds
    },
    words: &[
        "a:\n",
        "  b: ",
        "password: hunter2hunter2\n",
        "${cluster.name}",
        "${addresses.x}",
        "\"uid\": ",
        "\"title\": ",
        "{\"a\":",
        "*a",
        "&a ",
    ],
    run: |input, trail| {
        let text = text(input);
        let mut inputs = Inputs::new("inventory.toml", WITH_FILES);
        for path in ["values.yaml", "d.json"] {
            inputs.add_file(path, Ok(Source::new(path, &*text)));
        }
        let found = check(&inputs).diagnostics;
        trail.note_all(&found);
        assert_shows_nothing_dangerous(&found, &inputs.sources);
    },
};

pub const REPORTS: Target = Target {
    name: "reports",
    short: 200,
    longest: 4000,
    seeds: || {
        lines(&[
            "\u{1}a message with \u{1b}[31m colour\n::error::x\u{202e}%0A\r\n",
            "abcdefghijklmnopqrstuvwxyz0123456789\t\t\t\n\n\n",
            "字字字🏠🏠\u{200b}\u{feff}",
        ])
    },
    words: &[
        "\n::error::x\n",
        "\r\n::set-output",
        "%0A::error",
        "\u{1b}]8;;http://x\u{7}",
        "\u{202e}",
        "\t",
        "🏠",
    ],
    run: reports,
};

/// Findings that no rule would make: any text, any place.
fn reports(input: &[u8], trail: &mut Trail) {
    let mut from = Decisions(input);
    let mut sources = Sources::default();
    for _ in 0..=from.below(3) {
        let path = from.text();
        let body: String = (0..from.below(12)).map(|_| from.text() + "\n").collect();
        sources.add(Source::new(path, body));
    }
    let mut found = Diagnostics::default();
    for _ in 0..=from.below(30) {
        let codes = catalog::codes();
        let code = *from.pick(codes);
        let mut one = code.at(span(&mut from), from.text(), from.text());
        for _ in 0..from.below(4) {
            one = one.because(span(&mut from), from.text());
        }
        found.push(if from.below(2) == 0 { one } else { one.help(from.text() + "\n" + &from.text()) });
        if from.is_over() {
            break;
        }
    }
    trail.note("reports", &"x".repeat(found.iter().count()));
    assert_shows_nothing_dangerous(&found, &sources);
}

/// Of the first file, so that there is one; far beyond its end, too.
fn span(from: &mut Decisions<'_>) -> Span {
    let start = from.below(256) * from.below(256);
    Span::new(FileId(0), start..start + from.below(256))
}
