//! Templates of any text over a small model.

use bayplan::diagnostic::{Diagnostic, Diagnostics};
use bayplan::object::Value as Json;
use bayplan::object::emit::emit;
use bayplan::source::FileId;
use bayplan::template::{Engine, TemplateFile, TemplateSet};
use minijinja::Value;
use serde_json::json;

use super::{Target, files, lines, text};
use crate::trail::Trail;

const WORDS: &[&str] = &[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{% set x = ",
    "{% for x in ",
    "{% endfor %}",
    "{% if x %}",
    "{% elif x %}",
    "{% else %}",
    "{% endif %}",
    "{% macro m(x) %}",
    "{% endmacro %}",
    "{{ m(1) }}",
    "{% call m() %}",
    "{% endcall %}",
    "{% include 'part.j2' %}",
    "{% include x %}",
    "{% import '_p.j2' as p %}",
    "{% from '_p.j2' import m %}",
    "{% extends '_p.j2' %}",
    "{% block b %}",
    "{% endblock %}",
    "{% raw %}",
    "{% endraw %}",
    "{% with x = 1 %}",
    "{% endwith %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{% set x %}",
    "{% endset %}",
    "range(10**12)",
    "range(1000000)",
    "'x'|times(1000000)",
    "* 1000000000",
    "'a' * 10",
    "~",
    "|join",
    "|list",
    "|map(attribute='x')",
    "|sort",
    "|tojson",
    "|yaml",
    "|b64encode",
    "|digest",
    "|slug",
    "|safe",
    "|string",
    "|default(1)",
    "|items",
    "|dictsort",
    "|batch(2)",
    "|indent(9999)",
    "|replace('a','aa')",
    "|format",
    "|split",
    "|groupby('x')",
    "|selectattr('x')",
    "|unique",
    "|zip(x)",
    "|chain(x)",
    "|slice(3)",
    "|reverse",
    "|sum",
    "|min",
    "|round(3)",
    "service",
    "service.name",
    "service.ports",
    "service.env",
    "stack",
    "environment",
    "x",
    "[1,2,3]",
    "{'a': 1}",
    "loop.index",
    "loop(x)",
    "recursive",
    "loop.cycle(1,2)",
    "self.b()",
    "super()",
    "caller()",
    "namespace(x=1)",
    "dict(a=1)",
    "cycler(1)",
    "lipsum()",
    "debug()",
    "x.__class__",
    "x[::-1]",
    "x[0:9223372036854775807]",
    "**",
    "//0",
    "% 0",
    "-9223372036854775808 // -1",
    "is defined",
    "in",
    "not ",
    "{{ '{{' }}",
    "apiVersion: v1\n",
    "kind: ConfigMap\n",
    "metadata:\n  name: x\n",
    "data:\n",
    "- ",
    "---\n",
    "&a ",
    "*a",
    "|\n",
    ">\n",
];

pub const OBJECTS: Target = Target {
    name: "templates-of-objects",
    short: 150,
    longest: 16 * 1024,
    seeds: || {
        let mut seeds = files("templates", ".yaml.j2");
        seeds.extend(files("templates", "_workload.j2"));
        seeds.extend(bombs());
        seeds
    },
    words: WORDS,
    run: |input, trail| {
        let text = text(input);
        let Ok(engine) = engine("t.yaml.j2", &text).inspect_err(|found| trail.note_all(found)) else {
            return;
        };
        match engine.objects("t.yaml.j2", &model(), "service `plex`") {
            Ok(objects) => objects.iter().for_each(|object| assert_comes_back(object, trail)),
            Err(found) => note(&found, trail),
        }
    },
};

pub const TEXT: Target = Target {
    name: "templates-of-text",
    short: 150,
    longest: 16 * 1024,
    seeds: || {
        let mut seeds = files("templates", ".md.j2");
        seeds.extend(bombs());
        seeds
    },
    words: WORDS,
    run: |input, trail| {
        let text = text(input);
        for name in ["t.md.j2", "t.txt.j2"] {
            let Ok(engine) = engine(name, &text).inspect_err(|found| trail.note_all(found)) else { continue };
            match engine.text(name, &model(), "service `plex`") {
                Ok(_) => trail.note("text", "rendered"),
                Err(found) => note(&found, trail),
            }
        }
    },
};

/// What would run for ever or eat all memory.
fn bombs() -> Vec<Vec<u8>> {
    lines(&[
        "{% for a in range(10**12) %}x{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% set x = 'aaaaaaaaaaaaaaaa' %}{% for i in range(60) %}{% set x = x ~ x %}{% endfor %}{{ x }}",
        "{% set x = [1] %}{% for i in range(60) %}{% set x = x + x %}{% endfor %}{{ x|length }}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{{ 'a'|times(1000000000) }}{{ 'a' * 1000000000 }}",
        "{% include 't.yaml.j2' %}{% include '../../etc/passwd' %}{% include '/etc/passwd' %}{% include ['x', '_p.j2'] %}",
        "{% for x in [[[1]]] recursive %}{{ loop(x) }}{% endfor %}",
        "{% set x %}{{ service }}{% endset %}{{ x|upper|lower|title|indent(4)|b64encode }}",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ service.name }}}\ndata: {{ service.env }}\nx: {{ service.ports|map(attribute='port')|list }}\n",
        "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n",
        "{{ service.ports|sort(attribute='port')|join(',')|replace(',', ',,,,') }}{{ '%s'|format('x') }}{{ 'x'|indent(999999) }}",
        "{% from '_p.j2' import greet %}{{ greet('x') }}{% import '_p.j2' as p %}{{ p.greet(service) }}",
        "{% extends '_p.j2' %}{% block body %}{{ super() }}{{ self.body() }}{% endblock %}",
    ])
}

const PARTIAL: &str = "{% macro greet(x) %}hello: {{ x }}\n{% endmacro %}{% block body %}apiVersion: v1\nkind: X\n{% endblock %}";

fn engine(name: &str, text: &str) -> Result<Engine, Diagnostics> {
    let file =
        |path: &str, text: &str| TemplateFile { path: path.to_owned(), file: FileId(0), text: text.into() };
    let set = TemplateSet::new(vec![file("_p.j2", PARTIAL)], vec![file(name, text)]);
    assert!(set.diagnostics.is_empty());
    let mut made = Engine::new(&set.value, emit);
    made.value.expect(1);
    if made.diagnostics.is_empty() { Ok(made.value) } else { Err(made.diagnostics) }
}

fn note(found: &Diagnostic, trail: &mut Trail) {
    assert!(found.message.len() < 4000, "{} bytes of message", found.message.len());
    trail.note(found.code.name, &found.message);
}

fn assert_comes_back(object: &Json, trail: &mut Trail) {
    let written = emit(object);
    trail.note(
        "object",
        &object.as_object().map(|map| map.keys().cloned().collect::<String>()).unwrap_or_default(),
    );
    if written.len() < 100_000 && !holds_unsafe_key(object) {
        let again = bayplan::object::read::read_documents(&written);
        assert_eq!(again.as_deref(), Ok(std::slice::from_ref(object)));
    }
}

fn holds_unsafe_key(value: &Json) -> bool {
    match value {
        Json::Array(list) => list.iter().any(holds_unsafe_key),
        Json::Object(map) => map
            .iter()
            .any(|(key, value)| bayplan::object::emit::unsafe_key(key).is_some() || holds_unsafe_key(value)),
        _ => false,
    }
}

fn model() -> Value {
    let service = json!({
        "name": "plex", "image": "x:1", "host": null, "replicas": 2, "kind": "Deployment",
        "ports": [{"name": "http", "port": 32400, "protocol": "TCP"}, {"name": "dlna", "port": 1900, "protocol": "UDP"}],
        "env": {"TZ": "Europe/Berlin", "PUID": "1000", "odd key": "yes", "long": "a\nb\n"}, "volumes": [], "secrets": {}, "big": 1e21, "small": -0.0,
    });
    let model = json!({
        "service": service, "services": [service], "stack": {"name": "media", "namespace": "media", "services": [service]},
        "environment": {"name": "prod"}, "x": ["a", "b", {"c": [1, 2]}], "cluster": {"name": "lab", "domain": "example.com"},
    });
    bayplan::template::given(&model)
}
