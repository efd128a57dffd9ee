//! Whole renders: what comes out, what is refused, and where messages point.

#![expect(clippy::needless_pass_by_value, reason = "`context!` makes values")]

use minijinja::{Value, context};
use proptest::prelude::{any, proptest};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde_json::{Value as Json, json};

use super::{Engine, TemplateFile, TemplateSet};
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Source};

const FOR: &str = "service `plex` in environment `staging`";

fn engine_of(files: &[(&str, &str)]) -> Engine {
    let outcome = compile(files);
    let messages: Vec<_> = outcome.diagnostics.iter().map(|d| d.message.clone()).collect();
    assert!(messages.is_empty(), "{messages:?}");
    outcome.value
}

fn compile(files: &[(&str, &str)]) -> crate::diagnostic::Outcome<Engine> {
    let file = |(index, (path, text)): (usize, &(&str, &str))| TemplateFile {
        path: (*path).to_owned(),
        file: FileId(u32::try_from(index).unwrap()),
        text: (*text).into(),
    };
    let set = TemplateSet::new(Vec::new(), files.iter().enumerate().map(file).collect());
    assert!(set.diagnostics.is_empty());
    Engine::new(&set.value, |json| format!("yaml:{json}\n"))
}

fn objects(text: &str, context: &Value) -> Result<Vec<Json>, Diagnostic> {
    engine_of(&[("t.yaml.j2", text)]).objects("t.yaml.j2", context, FOR)
}

fn object(text: &str, context: Value) -> Json {
    let mut all = objects(text, &context).unwrap_or_else(|d| panic!("{}: {text}", d.message));
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

fn fails(text: &str, context: Value, code: &str, says: &str) -> Diagnostic {
    let diagnostic = match objects(text, &context) {
        Err(diagnostic) => diagnostic,
        Ok(objects) => panic!("{text} rendered {}", Json::Array(objects)),
    };
    assert_eq!(diagnostic.code.name, code, "{}", diagnostic.message);
    assert!(diagnostic.message.contains(says), "{}", diagnostic.message);
    assert!(diagnostic.message.contains(FOR), "{}", diagnostic.message);
    diagnostic
}

fn hazards() -> Vec<String> {
    serde_json::from_str(include_str!("../../tests/data/yaml-hazards.json")).unwrap()
}

#[test]
fn a_value_keeps_its_type() {
    let values = json!({
        "map": {"z": 1, "a": [true, null]}, "list": [1, "2", 3.5], "text": "yes", "whole": 443, "float": 1.0,
        "large": u64::MAX, "small": i64::MIN, "no": false, "nothing": null, "empty": "", "none": {}, "zero": [],
    });
    let names: Vec<&str> = values.as_object().unwrap().keys().map(String::as_str).collect();
    let text: String = names.iter().map(|name| format!("{name}: {{{{ v.{name} }}}}\n")).collect();
    let rendered = object(&text, context! { v => Value::from(minijinja::value::Serde(&values)) });
    assert_eq!(rendered.to_string(), values.to_string());

    let quoted: String =
        ["whole", "no", "float", "text"].map(|n| format!("{n}: \"{{{{ v.{n} }}}}\"\n")).concat();
    let rendered = object(&quoted, context! { v => Value::from(minijinja::value::Serde(&values)) });
    assert_eq!(rendered, json!({"whole": "443", "no": "false", "float": "1.0", "text": "yes"}));
}

#[test]
fn quotes_and_blocks_make_texts() {
    let text = "a: '{{ n }}'\nb: |-\n  {{ n }}\nc: >-\n  {{ n }}\nd: [\"{{ n }}\", {{ n }}]\ne: |\n  {{ n }}\n  x\n\
                f: &x {{ n }}\ng: *x\nh: &y '{{ n }}'\ni: *y\nj: \"\\x41{{ n }}\"\n";
    let rendered = object(text, context! { n => 7 });
    let wanted = json!({"a": "7", "b": "7", "c": "7", "d": ["7", 7], "e": "7\nx\n", "f": 7, "g": 7, "h": "7",
        "i": "7", "j": "A7"});
    assert_eq!(rendered, wanted);
}

#[test]
fn text_around_holes_is_joined() {
    let text = "url: http://{{ host }}:{{ port }}\nscript: |\n  echo {{ host }}\n  exit {{ port }}\n\
                {{ host }}-{{ port }}: {{ host }} # {{ port }}\n'{{ port }}': x\n{{ on }}: z\n";
    let rendered = object(text, context! { host => "a b\n- c", port => 80, on => true });
    let wanted = json!({
        "url": "http://a b\n- c:80", "script": "echo a b\n- c\nexit 80\n", "a b\n- c-80": "a b\n- c", "80": "x",
        "true": "z",
    });
    assert_eq!(rendered, wanted);
    fails(
        "a: x{{ m }}\n",
        context! { m => context! { k => 1 } },
        "template-error",
        "a map cannot stand inside",
    );
    fails("a: x{{ m }}\n", context! { m => () }, "template-error", "`none`");
    fails("{{ m }}: 1\n", context! { m => vec![1] }, "template-error", "a list cannot stand inside");
    fails("{{ m }}: 1\n", context! { m => () }, "template-error", "`none`");
}

#[test]
fn hazards_stay_themselves() {
    let text = "plain: {{ x }}\nquoted: \"{{ x }}\"\nsingle: '{{ x }}'\ntext: a {{ x }} b\nlist: [{{ x }}, {k: {{ x }}}]\n\
                block: |\n  {{ x }}\n# {{ x }}\nkeys:\n  {{ x }}: 1\n  \"{{ x }}!\": 2\n";
    let engine = engine_of(&[("t.yaml.j2", text)]);
    let hazards = hazards();
    assert_eq!(hazards.len(), 378);
    let extra = [
        "x\ny: z",
        "\n---\nkind: Evil",
        "{{ y }}",
        "{% raw %}",
        "*x",
        "a: b",
        "\u{F8EF}\u{F8F2}",
        "\u{E000}",
    ];
    for hazard in hazards.iter().map(String::as_str).chain(extra) {
        let rendered = engine.objects("t.yaml.j2", &context! { x => hazard }, FOR).unwrap();
        let wanted = json!({
            "plain": hazard, "quoted": hazard, "single": hazard, "text": format!("a {hazard} b"),
            "list": [hazard, {"k": hazard}], "block": format!("{hazard}\n"),
            "keys": {hazard: 1, format!("{hazard}!"): 2},
        });
        assert_eq!(rendered, [wanted], "{hazard:?}");
    }
    assert_eq!(engine.skeletons.read().unwrap().len(), 1, "one skeleton serves all");
}

#[test]
fn values_cannot_forge_holes() {
    for forged in ["\u{F8F0}0\u{F8F1}", "\u{F8F0}", "x\u{F8F1}", "\u{F8F0}99\u{F8F1}"] {
        let context = context! { secret => "s3cret", x => forged };
        for text in ["a: {{ secret }}\nb: {{ x }}\n", "b: a{{ x }}\n", "b: {{ [x] }}\n", "{{ x }}: 1\n"] {
            let diagnostic = fails(text, context.clone(), "template-error", "U+F8F0");
            assert!(!diagnostic.message.contains("s3cret"));
        }
        fails("a: {{ secret }}\nb: {{ x|safe }}\n", context.clone(), "template-error", "U+F8F0");
        fails("a: {{ secret }}\nb: {{ x|upper|safe }}\n", context.clone(), "template-error", "U+F8F0");
        fails("a: {% filter indent(2) %}{{ x }}{% endfilter %}\n", context, "template-error", "U+F8F0");
    }
    let refused = compile(&[("t.yaml.j2", "a: \u{F8F0}0\u{F8F1}\n")]);
    assert_eq!(refused.diagnostics.iter().next().unwrap().code.name, "template-syntax");
}

#[test]
fn what_is_safe_is_still_parsed() {
    assert_eq!(object("a: {{ x|safe }}\n", context! { x => "[1, {b: c}]" }), json!({"a": [1, {"b": "c"}]}));
    fails("a: {{ x|safe }}\n", context! { x => "[1" }, "template-yaml", "a: [1");
    fails("a: {{ 1|safe }}\n", context! {}, "template-error", "only a text");
}

#[test]
fn captured_output_is_text_with_holes() {
    let library = "{% macro name(s) %}{{ s.name }}-web{% endmacro %}\n\
                   {% macro labels(s) %}app: {{ s.name }}\nport: {{ s.port }}\n{% endmacro %}\n\
                   {% macro box() %}<{{ caller() }}>{% endmacro %}\n";
    let text = "{% from '_lib.j2' import name, labels, box %}\n{% set title %}{{ s.name }}!{% endset %}\n\
                a: {{ name(s) }}\nb: {{ title }}\nlabels:\n  {{ labels(s)|indent(2) }}\n\
                c: {% call box() %}{{ s.port }}{% endcall %}\n\nd: {{ [name(s), {'k': title}] }}\n\
                e: {{ name(s)|upper }}\nf: {{ title|length }}\ng: {{ [title, 'x']|join('+') }}\n\
                h: {% filter upper %}{{ s.name }}-x{% endfilter %}\n\ni: {{ name(s)|trim }}\nj: {{ name(s)|string }}\n\
                k: {{ name(s)|slug }}\nl: {{ {'t': title}|json }}\n";
    let engine = engine_of(&[("_lib.j2", library), ("t.yaml.j2", text)]);
    let context = context! { s => context! { name => "yes: no", port => 80 } };
    let rendered = engine.objects("t.yaml.j2", &context, FOR).unwrap();
    let wanted = json!({
        "a": "yes: no-web", "b": "yes: no!", "labels": {"app": "yes: no", "port": 80}, "c": "<80>",
        "d": ["yes: no-web", {"k": "yes: no!"}], "e": "YES: NO-WEB", "f": 8, "g": "yes: no!+x", "h": "YES: NO-X",
        "i": "yes: no-web", "j": "yes: no-web", "k": "yes-no-web", "l": "{\"t\":\"yes: no!\"}",
    });
    assert_eq!(rendered, [wanted]);
    fails(
        "{% set t %}{{ x }}{% endset %}\na: {{ t ~ 'y' }}\n",
        context! { x => 1 },
        "template-error",
        "side by side",
    );
}

#[test]
fn documents_are_mappings_or_nothing() {
    let empty = context! { none => (), map => context! { kind => "A" } };
    for text in [
        "",
        "\n",
        "# only {{ map }}\n",
        "---\n",
        "---\n# a\n---\n",
        "{{ none }}\n",
        "{% if map.x %}a: 1{% endif %}\n",
    ] {
        assert_eq!(objects(text, &empty).unwrap(), Vec::<Json>::new(), "{text:?}");
    }
    let several = objects("a: 1\n---\n# nothing\n---\n{{ map }}\n---\nb: 2\n", &empty).unwrap();
    assert_eq!(several, [json!({"a": 1}), json!({"kind": "A"}), json!({"b": 2})]);
    fails("a: 1\n---\n- x\n", empty.clone(), "template-yaml", "must be a mapping, this is a list");
    fails("text\n", empty.clone(), "template-yaml", "this is a text");
    fails("{{ 3 }}\n", empty, "template-yaml", "this is a number");
}

#[test]
fn keys_stand_once() {
    let twice = context! { a => "k", b => "k" };
    fails("k: 1\nk: 2\n", twice.clone(), "template-yaml", "k");
    fails("{{ a }}: 1\n{{ b }}: 2\n", twice.clone(), "template-yaml", "the key `k` stands twice");
    fails("x:\n  k: 1\n  {{ b }}: 2\n", twice.clone(), "template-yaml", "the key `k` stands twice");
    fails("1: a\n\"1\": b\n", twice.clone(), "template-yaml", "1");
    fails("~: a\n", twice.clone(), "template-yaml", "a key is empty");
    fails("? [a]\n: b\n", twice, "template-yaml", "line 1");
}

#[test]
fn undefined_names_are_named() {
    let context = || context! { service => context! { port => 80, name => "plex" } };
    let text = "a: 1\nb: {{ service.prot }}\n";
    let diagnostic = fails(text, context(), "template-undefined", "`service.prot` is undefined");
    assert!(diagnostic.message.contains("template `t.yaml.j2`, line 2"), "{}", diagnostic.message);
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `port`?"));
    assert_eq!(Source::new("t", text).slice(diagnostic.primary()), "service.prot");
    let diagnostic =
        fails("a: {{ servise.port }}\n", context(), "template-undefined", "`servise` is undefined");
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `service`?"));
    fails("{% for x in service.ports %}\n{% endfor %}\n", context(), "template-undefined", "`service.ports`");
    fails("a: {{ [service.x] }}\n", context(), "template-undefined", "holds an undefined value");
    fails("a: {{ service.x|json }}\n", context(), "template-undefined", "service.x");
    fails("a: {{ service.x|upper }}\n", context(), "template-undefined", "service.x");
    fails("a: {{ service.x ~ 'y' }}\n", context(), "template-undefined", "service.x");
    let allowed = "a: {% if service.x %}1{% else %}2{% endif %}\n\nb: {{ service.x|default(3) }}\nc: {{ 1 if service.x }}\n\
                   d: x{{ 1 if service.x }}\n";
    assert_eq!(object(allowed, context()), json!({"a": 2, "b": 3, "c": null, "d": "x"}));
}

#[test]
fn errors_point_into_the_template() {
    let text = "a: 1\n{% if x %}\nb: {{ x|uper }}\n{% endif %}\n";
    let diagnostic = fails(text, context! { x => "v" }, "template-error", "filter uper is unknown");
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `upper`?"));
    assert!(diagnostic.message.contains("line 3"), "{}", diagnostic.message);

    let text = "{% set a = 1 %}\n{% for x in [1] %}{% set b = x %}c: {{ nope }}\n{% endfor %}";
    let diagnostic = fails(text, context! {}, "template-undefined", "`nope`");
    assert_eq!(Source::new("t", text).slice(diagnostic.primary()), "nope");

    let engine =
        engine_of(&[("_p.j2", "x: 1\ny: {{ nope }}\n"), ("t.yaml.j2", "a: 1\n{% include '_p.j2' %}\n")]);
    let diagnostic = engine.objects("t.yaml.j2", &context! {}, FOR).unwrap_err();
    assert_eq!((diagnostic.code.name, diagnostic.primary().file), ("template-undefined", FileId(0)));
    assert!(diagnostic.message.contains("template `_p.j2`, line 2"), "{}", diagnostic.message);
    assert_eq!(diagnostic.labels[1].span.file, FileId(1));

    let found = compile(&[("t.yaml.j2", "a: 1\nb: {% if %}\n")]).diagnostics;
    let diagnostic = found.iter().next().unwrap();
    assert_eq!(diagnostic.code.name, "template-syntax");
    assert_eq!(Source::new("t", "a: 1\nb: {% if %}\n").position(diagnostic.primary().start).line, 2);
}

#[test]
fn yaml_faults_point_at_the_line_that_says_so() {
    let text = "{% for x in [1, 2, 3] %}\n# {{ x }}\n{% endfor %}\na:\n  b: [{{ s }}, c\nd: {{ s }}\n";
    let diagnostic = fails(text, context! { s => "s3cret" }, "template-yaml", "rendered `");
    assert!(!diagnostic.message.contains("s3cret"), "{}", diagnostic.message);
    let text = "a: 1\nurl: http://{{ m }}/x\n";
    let diagnostic =
        fails(text, context! { m => vec!["s3cret"] }, "template-error", "rendered `url: http://{{…}}/x`");
    assert_eq!(Source::new("t", text).slice(diagnostic.primary()), "url: http://{{ m }}/x");
    assert!(diagnostic.message.contains("line 2") && !diagnostic.message.contains("s3cret"));
}

#[test]
fn variables_are_never_dumped() {
    let context = context! { service => context! { token => "s3cret", n => 1 } };
    for text in [
        "a: {{ nope }} {{ service.token }}\n",
        "{% set x = service.token %}\na: {{ x.y.z }}\n",
        "a: {{ service.token|int }}\n",
        "a: {{ service.token + 1 }}\n",
        "a: {{ service.token() }}\n",
        "a: {{ debug() }}\n",
        "a: {{ service|pprint }}\n",
        "a: {{ -service.token }}\n",
        "a: {{ service.token|round }}\n",
        "{% include service.token %}\n",
    ] {
        let diagnostic = objects(text, &context).unwrap_err();
        let shown = format!("{diagnostic:?}");
        assert!(!shown.contains("s3cret"), "{text}: {shown}");
    }
}

#[test]
fn an_import_is_given_a_name() {
    for what in ["3", "[3]", "'x'", "true", "None", "x|upper", "x()", "(x)", "3 with context", "f as 3"] {
        let outcome = compile(&[("t.yaml.j2", &format!("{{% import '_p.j2' as {what} %}}"))]);
        let codes: Vec<&str> = outcome.diagnostics.iter().map(|one| one.code.name).collect();
        assert_eq!(codes, ["template-syntax"], "{what}");
    }
    for tag in ["import '_p.j2' as p", "import '_p.j2' as p without context", "from '_p.j2' import a as b"] {
        let files = [("_p.j2", "{% set a = 1 %}"), ("t.yaml.j2", &format!("{{%- {tag} -%}}"))];
        assert!(compile(&files).diagnostics.is_empty(), "{tag}");
    }
}

#[test]
fn templates_see_only_their_set() {
    for name in ["/etc/passwd", "../Cargo.toml", "Cargo.toml", "src/lib.rs", "./t.yaml.j2", ""] {
        for tag in ["include", "extends", "import"] {
            let tail = if tag == "import" { " as x" } else { "" };
            fails(&format!("{{% {tag} '{name}'{tail} %}}\n"), context! {}, "template-error", "");
        }
    }
    let engine = engine_of(&[
        ("_base.j2", "kind: {% block kind %}A{% endblock %}\n\nname: {{ name }}\n"),
        ("t.yaml.j2", "{% extends '_base.j2' %}{% block kind %}{{ kind }}{% endblock %}"),
    ]);
    let rendered = engine.objects("t.yaml.j2", &context! { kind => "B: c", name => "n" }, FOR).unwrap();
    assert_eq!(rendered, [json!({"kind": "B: c", "name": "n"})]);
}

#[test]
fn limits_name_themselves() {
    let doubling =
        "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
    let lists = "{% set ns = namespace(x=[1, 2]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}\n{{ ns.x }}";
    let sums =
        "{% set ns = namespace(x=[1, 2]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
    let straight: String = (0..40).map(|_| "{% set a = a ~ a %}").collect();
    let with: String =
        (0..40).map(|_| "{% with a = a ~ a %}").collect::<String>() + &"{% endwith %}".repeat(40);
    let loops: String =
        (0..40).map(|_| "{% for a in [a ~ a] %}").collect::<String>() + &"{% endfor %}".repeat(40);
    let lines = "x".repeat(1000);
    let megabyte = format!(
        "{{% set a = '{}' %}}{}",
        "x".repeat(16),
        "{% set a = a~a~a~a~a~a~a~a~a~a~a~a~a~a~a~a %}".repeat(4)
    );
    let captured = format!("{{% set x %}}{{% for i in range(99999) %}}{lines}{{% endfor %}}{{% endset %}}");
    let cases = [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "instructions"),
        ("{% for i in range(100001) %}{% endfor %}", "`range`"),
        ("{{ range(-9223372036854775807, 9223372036854775807, 3) }}", "`range`"),
        ("{{ range(0, -9223372036854775807, -1)|list }}", "`range`"),
        (doubling, "1 MiB for one text"),
        (&format!("{{% set a = 'xx' %}}{straight}"), "1 MiB for one text"),
        (&format!("{{% set a = 'xx' %}}{with}"), "1 MiB for one text"),
        (&format!("{{% set a = 'xx' %}}{loops}"), "1 MiB for one text"),
        (lists, "limit"),
        (sums, "1000000 entries"),
        ("{% macro f(a) %}{{ f(a ~ a) }}{% endmacro %}{{ f('x') }}", "limit"),
        (
            "{% macro f(a) %}{{ caller(a ~ a) }}{% endmacro %}{% call(a) f('x') %}{{ a }}{% endcall %}{% macro g() %}{{ g() }}{% endmacro %}{{ g() }}",
            "recursion limit",
        ),
        (
            "{% macro d(a) %}{{ a }}{{ a }}{% endmacro %}{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = d(ns.x) %}{% endfor %}",
            "limit",
        ),
        (&captured, "64 MiB"),
        (&format!("{{% for i in range(9999) %}}{lines}{{% endfor %}}"), "8 MiB of output"),
        (
            "{% set x = 'aaaaaaaaaa'|replace('', 'aaaaaaaaaa')|replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') %}{% set y = x|replace('a', x) %}",
            "1 MiB for one text",
        ),
        ("{{ 'a\nb'|indent(999999999) }}", "1 MiB for one text"),
        ("{{ 'a\nb'|indent(width=999999999) }}", "1 MiB for one text"),
        ("{{ 'a'|indent(width=18446744073709551615) }}", "1 MiB for one text"),
        ("{% filter indent(width=100000000000) %}a{% endfilter %}", "1 MiB for one text"),
        (
            &format!("{megabyte}{{{{ range(9999)|map(attribute='k',default=a)|length }}}}"),
            "32 MiB for one value",
        ),
        (&format!("{megabyte}{{{{ range(9999)|map(attribute='k')|map('default',a)|length }}}}"), "256 MiB"),
        (&format!("{megabyte}{{% for i in range(9999) %}}{{{{ a|upper }}}}{{% endfor %}}"), "256 MiB"),
        (&format!("{megabyte}{{% for i in range(9999) %}}{{{{ a }}}}{{% endfor %}}"), "256 MiB"),
        (&format!("{megabyte}{{% for i in range(9999) %}}{{{{ a|digest }}}}{{% endfor %}}"), "256 MiB"),
        (
            &format!("{megabyte}{{% for i in range(9999) %}}{{{{ [a]|join|length }}}}{{% endfor %}}"),
            "256 MiB",
        ),
        ("{{ range(100000)|map('string')|join(range(100000)|join) }}", "1 MiB for one text"),
        ("{% include 't.yaml.j2' %}", "recursion limit"),
        (
            "a: {{ range(100000)|list|json|length }}\nb: {{ range(100000)|join(',')|json|json|json|json|json|json|json }}\nc: {{ (range(100000)|map('string')|list)|json|json|json }}",
            "1 MiB for one text",
        ),
        ("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "depth limit"),
    ];
    for (text, says) in cases {
        fails(text, context! {}, "template-limit", says);
    }
    let deep = "a: ".to_owned() + &"[".repeat(100) + &"]".repeat(100);
    fails(&deep, context! {}, "template-limit", "limit");
    let bomb: String = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..10)
            .map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")))
            .collect::<String>();
    fails(&bomb, context! {}, "template-limit", "limit");
    let mut value = Value::from(1);
    for _ in 0..80 {
        value = Value::from(vec![value]);
    }
    fails("a: {{ x }}", context! { x => value }, "template-limit", "depth limit");
}

#[test]
fn repetition_is_refused() {
    for text in [
        "{{ 'x' * 1000000000 }}",
        "{% set x = [1] * 1000000000 %}",
        "{{ 2 ** 9 }}",
        "{{ 1 is in [1] }}",
        "{{ 1 is not in([1]) }}",
        "{% autoescape false %}{% endautoescape %}",
    ] {
        let found = compile(&[("t.yaml.j2", text)]).diagnostics;
        assert_eq!(found.iter().next().map(|d| d.code.name), Some("template-syntax"), "{text}");
    }
    let fine = "a: '*'\nb: *{{ x }}\n{# * #}\n{% raw %}\n# * {{ x * 2 }}\n{% endraw %}\nc: {{ '*' }}\nd: {{ 2|times(3) }}\ne: {{ 2|times(1.5) }}\n";
    fails(fine, context! { x => 1 }, "template-yaml", "");
    let fine = fine.replace("b: *{{ x }}\n", "");
    assert_eq!(object(&fine, context! { x => 1 }), json!({"a": "*", "c": "*", "d": 6, "e": 3.0}));
}

#[test]
fn guards_do_not_change_what_is_written() {
    let text = "\n{% set a, b = 1, 2 -%}\n\n  x\n{% for k, v in {'p': 1}|items %}\n- {{ k }}={{ v }}\n{% endfor %}\n\
                {%- with c = 3, d = {'e': 4} %}\n{{ c }}{{ d.e }}\n{% endwith %}\n{% macro m(p, q=[1, (2)], r='=') %}\n{{ p }}{{ q[1] }}{{ r }}\n{% endmacro %}\n\
                {{ m(a, r=\"%}\") }}{% set ns = namespace(n=0) %}{% set ns.n = ns.n + b +%}\n{{ ns.n }}{# {% set z %} #}\n\
                {% for t in [{'c': [{'c': []}]}] recursive %}\n<{{ loop(t.c) }}>\n{% endfor %}\n{{ {'a': {'b': 1}} }}\n{% raw %}{{ x }} {% set %}{% endraw %}\n";
    let engine = engine_of(&[("t.txt.j2", text)]);
    let guarded = engine.text("t.txt.j2", &context! {}, FOR).unwrap();
    let mut plain = minijinja::Environment::new();
    let mut syntax = minijinja::syntax::SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    plain.set_syntax(syntax.build().unwrap());
    let wanted = plain.render_str(text, context! {}).unwrap().replace("{'a': {'b': 1}}", "{\"a\":{\"b\":1}}");
    assert_eq!(guarded, wanted);
}

#[test]
fn looking_through_long_lists_again_and_again_is_limited() {
    for text in [
        "{% for i in range(100000) %}{{ 100001 in range(100000) }}{% endfor %}",
        "{% set r = range(100000) %}{% for i in r if i not in (r) and i %}{% endfor %}",
    ] {
        fails(text, context! {}, "template-limit", "256 MiB");
    }
}

#[test]
fn long_values_that_operators_and_tests_work_on_again_and_again_are_limited() {
    let set = "{% set l = range(100000) %}{% set m = range(100000)|list %}\
               {% set t = m|join('-') %}{% for i in range(100000) %}";
    for worked_on in [
        "l == m",
        "t != t",
        "i <= t",
        "t < t > i",
        "t is eq t",
        "t is not ne(t)",
        "[t, t]|select('==', t)|list|length",
        "range(99)|select('in', m)|list|length",
        "t is upper",
        "t is endingwith t",
        "loop.changed(t)",
        "loop.changed(i, t if i else t)",
        "t ~ i",
        "i ~ t ~ i",
        "t + 'x'",
        "'x' + t",
        "t[i:]",
        "t[i]",
        "[{'t': t}][0].t[i + 1]",
        "{'k': 1}[t]",
    ] {
        fails(
            &format!("{set}{{{{ 1 if {worked_on} }}}}{{% endfor %}}"),
            context! {},
            "template-limit",
            "256 MiB",
        );
    }
    let given = super::given(&vec![vec!["a"; 1000]; 2]);
    let lists = "{% set l = range(50000)|map(attribute='k', default=x[0])|list %}";
    fails(&format!("{lists}{{{{ l|sort|length }}}}"), context! { x => given }, "template-limit", "256 MiB");
    let listed = "{% set l = range(100000)|list %}{{ 1 if [l, l] ~ '' }}";
    fails(listed, context! {}, "template-limit", "beside `~`");
}

#[test]
fn what_operators_work_on_is_what_stood_there() {
    let text = "{% set l, m, t, d = [1, 2], [[3, 4], 'x'], 'text', {'k': {'in': [5]}, '[': 6} %}\
                {{ l == [1, 2] }} {{ [1]==l }} {{ 1 < 2 <= 2 == true }} {{ l != m and not t == 'text' or t>'a' }}\n\
                {{ t ~ 1 ~ l[0] ~ -1 }} {{ 1 + 2 - 1 }} {{ 'a' + t[1:3] + t[-1] }} {{ t[::-1] }} {{ t[l[0] + 1:] }}\n\
                {{ m[0][1] }} {{ d.k.in[0] }} {{ d['['] }} {{ d['k']['in'][0] }} {{ d[('k')] }} {{ (m + l)[2] }} {{ {'a': 7}['a'] }}\n\
                {% for i in[1, 1, 2] if i == l[0] or i is eq 2 %}{{ 'n' if loop.changed(i, 1 == 1) else-1 }}{% endfor %}\n\
                {% if l[0] == 1 -%} one {%- elif m[0] ~ '' == t %} no {% endif %}{{ 1.5e+3 + 1 }} {{ l is eq [1, 2] and 3 is not eq [3] }}\n\
                {{ t|replace('t' ~ 'e', d.k['in'][0] ~ '=') }} {{ t == 'x' if t != 'text' else t ~ '!' }} {{ 'ab'[0] }}{{ t is endingwith('xt') }}\n\
                {% macro m2(a, b=1 == 1) %}{{ a ~ b }}{% endmacro %}{{ m2('x' ~ t, b=l[1] < 3) }} {{ m2(a=t) ~ m2(1) }}\n";
    let engine = engine_of(&[("t.txt.j2", text)]);
    let mut plain = minijinja::Environment::new();
    let mut syntax = minijinja::syntax::SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    plain.set_syntax(syntax.build().unwrap());
    let same = |text: String| text.replace(", ", ",").replace('\'', "\"").to_lowercase();
    let wanted = plain.render_str(text, context! {}).unwrap();
    assert_eq!(
        same(engine.text("t.txt.j2", &context! {}, FOR).unwrap()).replace(": ", ":"),
        same(wanted).replace(": ", ":")
    );
}

#[test]
fn what_stands_behind_in_is_what_stood_there() {
    let text = "{{ 1 in [1, 2] and 3 not in [3] }} {{ 'a' in {'a': 1} if true else 0 }} {{ ('b' in 'abc') ~ 1 }}\n\
                {% for x in [1, 2, 3] if x in [1, 3]|reverse %}{{ x }}{% endfor %} {{ [1 in [1], 2 in[2], 3] }}\n\
                {{ {'k': 1 in [1]}.k }} {{ {'in': 4}.in }} {{- 1 in [2] == false -}}\n\
                {% if not 1 in [0] + [1] %}no{% elif 2 in (1, 2) -%} yes {%- endif %}{{ 'x' in '' or 'y' in 'y' }}\n";
    let engine = engine_of(&[("t.txt.j2", text)]);
    let mut plain = minijinja::Environment::new();
    let mut syntax = minijinja::syntax::SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    plain.set_syntax(syntax.build().unwrap());
    let same = |text: String| text.replace(", ", ",").to_lowercase();
    let wanted = plain.render_str(text, context! {}).unwrap();
    assert_eq!(same(engine.text("t.txt.j2", &context! {}, FOR).unwrap()), same(wanted));
}

#[test]
fn guards_take_what_has_no_weight() {
    let text = "{% macro m(p, q) %}{{ p }}{{ 1 if q }}{% endmacro %}a: {{ m(1) }}\n\
                b: {% for i in [1] %}{% set outer = loop %}{% for j in [1] %}{{ outer.index }}{% endfor %}{% endfor %}\n\n\
                {% set f = m %}{% set u = nope %}{% set v | json(pretty=true) %}y{% endset %}\nc: {{ f(2) }}{{ v }}\n\
                {% for k, (v, w) in [[1, [2, 3]]] if k %}{% call(x, y) m(k) %}{% endcall %}{% endfor %}\n";
    let text = text.replace("{% call(x, y) m(k) %}{% endcall %}", "");
    assert_eq!(object(&text, context! {}), json!({"a": "1", "b": 1, "c": "2\"y\""}));
}

/// What doubles a text thirty-four times over must be weighed wherever the engine reads it.
#[test]
fn nothing_hides_from_the_guards() {
    let doubled = format!("{{% set a='{}' %}}{}", "x".repeat(16), "{% set a = a ~ a %}".repeat(34));
    for text in [
        format!("{{#}} {{% raw %}} #}}{doubled}{{# {{% endraw %}} #}}"),
        format!("{{% raw %}}{{% endrawx %}}{{# {{% endraw %}}{doubled}{{# #}}"),
        format!("{{% with (a, z) = ([1], 0) %}}{}", "{% with (a, (b, z)) = (a + a, [1, 2]) %}".repeat(40))
            + &"{% endwith %}".repeat(41),
    ] {
        fails(&text, context! {}, "template-limit", "the limit of");
    }
    let depth = "{% set n = namespace(x=X) %}{% for i in range(20000) %}{% set n.x = Y %}{% endfor %}a: {{ n.x|length }}\n";
    for (start, step) in
        [("{}", "n.x|chain({})"), ("[1]", "n.x|chain([])"), ("[1]", "n.x[::1]"), ("[1]", "n.x|reverse")]
    {
        let text = depth.replace('X', start).replace('Y', step);
        assert_eq!(object(&text, context! {}), json!({ "a": usize::from(start == "[1]") }), "{step}");
    }
    assert_eq!(object("a: {{ {'a': 1}|chain({'b': 2}) }}\n", context! {}), json!({"a": {"a": 1, "b": 2}}));
    for text in ["a: {{ 1in [2] }}\n", "a: {{ 1is in [2] }}\n", "a: {{ 1. in [2] }}\n"] {
        let found = compile(&[("t.yaml.j2", text)]).diagnostics;
        assert_eq!(found.iter().next().map(|d| d.code.name), Some("template-syntax"), "{text}");
    }
}

#[test]
fn deep_templates_are_refused_not_overflowed() {
    let repeats = ["(", "[", "{'a':", "-", "not ", "1 if 1 else ", "x|first|", "x.a.", "1 and ", "x()()"];
    let prints = repeats.map(|piece| format!("{{{{ {}1 }}}}", piece.repeat(50_000)));
    let tags = ["{% if x %}", "{% for x in y %}", "{% set x = 1 %}{% if x %}{% elif y %}"]
        .map(|tag| tag.repeat(5000));
    let elifs = format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(30_000));
    for text in prints.into_iter().chain(tags).chain([elifs]) {
        let found = compile(&[("t.yaml.j2", &text)]).diagnostics;
        assert_eq!(found.iter().next().map(|d| d.code.name), Some("template-syntax"), "{text:.40}");
    }
    for fits in
        [format!("a: {{{{ {}1 }}}}", "-".repeat(1490)), format!("a: {{{{ 1{} }}}}", " and 1".repeat(700))]
    {
        assert!(compile(&[("t.yaml.j2", &fits)]).diagnostics.is_empty(), "{fits:.40}");
    }
    let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(200));
    assert_eq!(objects(&elifs.repeat(3), &context! {}).unwrap(), Vec::<Json>::new());
}

#[test]
fn texts_are_plain_and_markdown_is_kept_in_its_cell() {
    let template = "| {{ name }} | {{ n }} | {{ yes }} | {{ none }} | {{ list }} |\n{% set x %}|{{ name }}{% endset %}{{ x }}\n";
    let engine = engine_of(&[("README.md.j2", template), ("notes.txt.j2", template)]);
    let context = context! { name => "a|b\n<img src=x>\\|\u{202e}\u{1b}", n => 3, yes => true, none => (), list => vec!["|"] };
    let markdown = engine.text("README.md.j2", &context, FOR).unwrap();
    let name = "a\\|b &lt;img src=x>&#92;\\|\\u{202e}\\u{1b}";
    assert_eq!(markdown, format!("| {name} | 3 | true |  | [\"\\|\"] |\n|{name}\n"));
    let text = engine.text("notes.txt.j2", &context, FOR).unwrap();
    assert!(
        text.starts_with("| a|b\n<img src=x>\\|\u{202e}\u{1b} | 3 | true |  | [\"|\"] |\n|a|b\n"),
        "{text}"
    );
    let diagnostic = engine.text("README.md.j2", &context! {}, FOR).unwrap_err();
    assert_eq!(diagnostic.code.name, "template-undefined");
}

#[test]
fn filters_give_texts_not_yaml() {
    let text = "a: {{ m|json }}\nb: {{ m|json(pretty=true) }}\nc: {{ m|yaml }}\nd: {{ 'x'|b64encode }}\ne: {{ 'abc'|digest }}\n\
                f: {{ m|tojson }}\ng: {{ 'A b'|slug }}\nh: {{ true|string }}\n";
    let rendered = object(text, context! { m => context! { k => vec!["<"] } });
    let wanted = json!({
        "a": "{\"k\":[\"<\"]}", "b": "{\n  \"k\": [\n    \"<\"\n  ]\n}", "c": "yaml:{\"k\":[\"<\"]}\n", "d": "eA==",
        "e": "ba7816bf8f", "f": "{\"k\":[\"<\"]}", "g": "a-b", "h": "true",
    });
    assert_eq!(rendered, wanted);
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    for value in
        [Value::from(f64::NAN), Value::from(f64::INFINITY), Value::from(u128::MAX), Value::from(i128::MIN)]
    {
        fails("a: {{ x }}\n", context! { x => value }, "template-error", "does not fit");
    }
    fails("a: {{ range }}\n", context! {}, "template-error", "call it with");
    let read =
        object("a: 0644\nb: yes\non: 1\nc: 0x10\nd: 1e3\ne: '0644'\nf: 18446744073709551615\n", context! {});
    assert_eq!(read, json!({"a": 420, "b": true, "on": 1, "c": 16, "d": 1000.0, "e": "0644", "f": u64::MAX}));
}

#[test]
fn skeletons_are_shared_between_threads_and_bounded() {
    let engine = engine_of(&[
        ("t.yaml.j2", "a: {{ n }}\n{% if n % 2 %}\nb: {{ n }}x\n{% endif %}\n"),
        ("u.yaml.j2", "{{ k|safe }}: 1\n"),
    ]);
    let all: Vec<_> = (0..2000)
        .into_par_iter()
        .map(|n| engine.objects("t.yaml.j2", &context! { n }, FOR).unwrap())
        .collect();
    for (n, rendered) in all.iter().enumerate() {
        let wanted = if n % 2 == 1 { json!({"a": n, "b": format!("{n}x")}) } else { json!({"a": n}) };
        assert_eq!(rendered, &[wanted]);
    }
    assert_eq!(engine.skeletons.read().unwrap().len(), 2);
    for n in 0..2000 {
        engine.objects("u.yaml.j2", &context! { k => format!("k{n}") }, FOR).unwrap();
    }
    assert!(engine.skeletons.read().unwrap().len() <= super::engine::CACHE_ENTRIES);
}

proptest! {
    #[test]
    fn no_text_becomes_yaml(x in any::<String>()) {
        let engine = engine_of(&[("t.yaml.j2", "p: {{ x }}\nq: \"{{ x }}\"\nt: <{{ x }}>\nk: {a{{ x }}: [{{ x }}]}\n")]);
        let wanted = json!({"p": x, "q": x, "t": format!("<{x}>"), "k": {format!("a{x}"): [x]}});
        assert_eq!(engine.objects("t.yaml.j2", &context! { x }, FOR).unwrap(), [wanted]);
    }

    #[test]
    fn no_template_panics(text in "([a-z: \n\"'|>-]|\\{\\{ x \\}\\}|\\{% (set|for|if|with|macro|call|raw|endfor|else) ?[a-z=(, )]{0,8} -?%\\}|[{}%#*&!é]){0,20}") {
        let compiled = compile(&[("t.yaml.j2", &text)]);
        if compiled.diagnostics.is_empty() {
            let _ = compiled.value.objects("t.yaml.j2", &context! { x => "v" }, FOR);
        }
    }
}
