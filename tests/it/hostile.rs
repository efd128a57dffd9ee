//! Inventories that somebody wrote to hurt: whatever they say, a run ends with findings or without.

use std::path::Path;

use crate::cases::check;

/// What was found: the rules, each once.
fn rules(name: &str, text: &str) -> Vec<&'static str> {
    let (_, found) = check(Path::new(name), text);
    let mut rules: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code.name).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn nesting_is_limited() {
    let deep = 10_000;
    let nested = |open: &str, close: &str| format!("x = {}1{}", open.repeat(deep), close.repeat(deep));
    for text in [
        nested("[", "]"),
        nested("{a = ", "}"),
        format!("x = {}", "[".repeat(100_000)),
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]", vec!["a"; deep].join(".")),
        "[".repeat(100_000),
    ] {
        assert!(!rules("inventory.toml", &text).is_empty());
    }
    let indented: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in [nested("[", "]").replace("x =", "x:"), format!("x: {}", "{a: ".repeat(deep)), indented] {
        assert_eq!(rules("inventory.yaml", &text), ["syntax"]);
    }
}

#[test]
fn long_lines_and_many_keys_are_read() {
    let long = "x".repeat(1_000_000);
    assert!(rules("inventory.toml", &format!("cluster.name = \"{long}\"")).is_empty());
    assert_eq!(rules("inventory.toml", &format!("cluster.nme = \"{long}\"")), ["unknown-key"]);
    let keys: String = (0..20_000).map(|key| format!("k{key} = 1\n")).collect();
    assert_eq!(rules("inventory.toml", &keys), ["unknown-key"]);
    let flow: Vec<String> = (0..20_000).map(|key| format!("k{key}ü: 1")).collect();
    assert_eq!(rules("inventory.yaml", &format!("services: {{{}}}", flow.join(", "))), ["wrong-type"]);
}

#[test]
fn very_many_faults_of_one_line_are_one() {
    let escapes = format!("x = \"{}\"", "\\q".repeat(400_000));
    let keys = format!("x = {{ {} }}", vec!["a = 1"; 50_000].join(", "));
    for text in [&escapes, &keys, &format!("{}{escapes}", " ".repeat(400_000))] {
        assert_eq!(message("inventory.toml", text).matches("not TOML").count(), 1);
    }
}

#[test]
fn odd_characters_are_found_or_read() {
    assert_eq!(rules("inventory.toml", "cluster.name = \"a\0b\""), ["syntax"]);
    assert_eq!(rules("inventory.yaml", "cluster: { name: \"a\0b\" }"), ["syntax"]);
    assert_eq!(rules("inventory.toml", "\u{feff}\u{feff}"), ["syntax"]);
    assert!(rules("inventory.toml", "cluster.name = \"\u{202e}ü\u{10ffff}\"").len() <= 1);
}

#[test]
fn aliases_and_references_do_not_explode() {
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let bomb = (1..12).fold(first, |text, level| {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("{text}a{level}: &a{level} [{aliases}]\n")
    });
    assert_eq!(rules("inventory.yaml", &bomb), ["syntax"]);
    assert_eq!(rules("inventory.yaml", "x: &x [*x]\n"), ["syntax"]);

    let level = |level: usize| {
        format!("a{level} = \"{}\"\n", "${charts.c.values.a".to_owned() + &format!("{}}}", level + 1))
            .repeat(1)
    };
    let chain: String = (0..2_000).map(level).collect();
    let chart = "[charts.c]\nrepository = \"https://charts.example.com\"\nchart = \"c\"\nversion = \"1.0.0\"\nnamespace = \"n\"\n";
    let text = format!("{chart}[charts.c.values]\n{chain}a2000 = \"x\"\n");
    assert_eq!(rules("inventory.toml", &text), ["too-much"]);

    let big = "x".repeat(500_000);
    let copies: String = (0..1_000).map(|copy| format!("b{copy} = \"${{charts.c.values.big}}\"\n")).collect();
    let text = format!("{chart}[charts.c.values]\nbig = \"{big}\"\n{copies}");
    assert_eq!(rules("inventory.toml", &text), ["too-much"]);
    let service = |name: &str, text: &str| {
        format!("[services.{name}]\nstack = \"a\"\nimage = \"x:1\"\nenv.A = \"{text}\"\n")
    };
    let copies: String = (0..220).map(|at| service(&format!("s{at}"), "${services.big.env.A}")).collect();
    let text = format!("[stacks.a]\n{}{copies}", service("big", &"x".repeat(400_000)));
    for _ in 0..3 {
        let said = message("inventory.toml", &text);
        assert!(said.contains("64 MiB") && said.lines().count() == 1, "whoever is first: {said}");
    }
    assert!(rules("inventory.toml", &format!("cluster.name = \"{}\"", "${".repeat(100_000))).is_empty());
}

#[test]
fn references_that_nothing_ends_are_looked_through_once() {
    let service = "[stacks.a]\n[services.w]\nstack = \"a\"\nimage = \"x:1\"\nenv.A =";
    let flux = "[gitops]\nrepository = \"ssh://git@git.example.com/a\"\nflux.substitute.ab = \"x\"\n";
    for (open, end) in [("${a.b ", "}"), ("${a.b ", ""), ("${ab ", "}"), ("${ab ", "")] {
        let text = format!("{flux}{service} \"{}{end}\"\n", open.repeat(200_000));
        assert!(rules("inventory.toml", &text).contains(&"undefined-variable"), "{open}{end}");
    }
}

#[test]
fn numbers_of_any_size_are_refused_or_read() {
    let service = "[stacks.a]\n[services.w]\nstack = \"a\"\nimage = \"x:1\"\n";
    for number in ["9".repeat(10_000), "0xFFFFFFFFFFFFFFFF".to_owned()] {
        assert_eq!(rules("inventory.toml", &format!("{service}replicas = {number}\n")), ["syntax"]);
    }
    for number in [i64::MIN, i64::MAX] {
        let text = format!("{service}replicas = {number}\nports.http = {number}\n");
        assert_eq!(rules("inventory.toml", &text), ["bad-port", "bad-value"]);
    }
}

#[test]
fn many_of_a_kind_are_compared_in_reasonable_time() {
    let shared: String = (1..3_000)
        .map(|port| {
            format!("[services.s{port}]\nstack = \"a\"\nimage = \"x:1\"\nip = \"10.0.0.1\"\nshare-ip = \"k\"\nports.http = {port}\n")
        })
        .collect();
    let pool = "[metallb.pools.p]\naddresses = [\"10.0.0.0/24\"]\n[stacks.a]\n";
    assert!(rules("inventory.toml", &format!("{pool}{shared}")).is_empty());
    assert!(rules("inventory.toml", &format!("{pool}{}", shared.replace("10.0.0.1", "auto"))).is_empty());
    let last = "[services.z]\nstack = \"a\"\nimage = \"x:1\"\nip = \"10.0.0.1\"\nshare-ip = \"k\"\nports.http = 2999\n";
    assert_eq!(rules("inventory.toml", &format!("{pool}{shared}{last}")), ["duplicate-address"]);

    let lost: String = (0..2_000)
        .map(|at| format!("[services.s{at}]\nstack = \"a\"\nimage = \"x:1\"\ndepends-on = [\"t{at}\"]\n"))
        .collect();
    assert_eq!(rules("inventory.toml", &format!("[stacks.a]\n{lost}")), ["unknown-reference"]);
    let variables: String = (0..2_000).map(|at| format!("V{at} = \"$(V{})\"\n", at + 1)).collect();
    let service = "[stacks.a]\n[services.w]\nstack = \"a\"\nimage = \"x:1\"\n[services.w.env]\n";
    assert!(rules("inventory.toml", &format!("{service}{variables}")).is_empty());

    let many = |line: fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let claims = many(|at| format!("c{at} = {{ size = \"1Gi\" }}\n"));
    let volumes = many(|at| format!("v{at} = {{ claim = \"c{at}\", mount = \"/m{at}\" }}\n"));
    let service = "[services.w]\nstack = \"a\"\nimage = \"x:1\"\nports.http = 80\n[services.w.volumes]\n";
    let text = format!("[stacks.a.claims]\n{claims}{service}{volumes}");
    assert!(rules("inventory.toml", &text).is_empty());
    let secrets =
        many(|at| format!("[stacks.t{at}]\n[secrets.s{at}]\nstack = \"t{at}\"\nprovider = \"sops\"\n"));
    assert!(rules("inventory.toml", &secrets).is_empty());
}

/// All that is said.
fn message(name: &str, text: &str) -> String {
    let (_, found) = check(Path::new(name), text);
    found.iter().map(|diagnostic| format!("{}\n", diagnostic.message)).collect()
}

#[test]
fn a_small_inventory_may_not_stand_for_a_large_one() {
    let services: String =
        (0..2_000).map(|at| format!("[services.s{at}]\nstack = \"a\"\nimage = \"x:1\"\n")).collect();
    let environments: String =
        (0..500).map(|at| format!("[environments.e{at}]\nnamespace-suffix = \"-{at}\"\n")).collect();
    let text = format!("[stacks.a]\n{services}{environments}");
    assert_eq!(rules("inventory.toml", &text), ["too-much"]);
    let said = message("inventory.toml", &text);
    assert!(
        said.contains("2000 services and 1 stacks in 500 environments") && said.contains("512 MiB"),
        "{said}"
    );

    let variables: String = (0..2_000).map(|at| format!("V{at} = \"x\"\n")).collect();
    let text = format!("[stacks.a]\n{services}[stacks.a.env]\n{variables}[environments.e]\n");
    assert_eq!(rules("inventory.toml", &text), ["too-much"], "every service has the variables of its stack");
    let kinds: String = (0..5_000).map(|at| format!("Kind{at} = {{ a = 1 }}\n")).collect();
    for table in ["stacks.a.patch", "environments.e.stacks.a.patch"] {
        let text = format!("[stacks.a]\n{services}[{table}]\n{kinds}");
        assert_eq!(rules("inventory.toml", &text), ["too-much"], "and their objects its patches");
    }
    let stacks: String = (0..200_000).map(|at| format!("[stacks.s{at}]\n")).collect();
    assert_eq!(rules("inventory.toml", &stacks), ["too-much"]);
}

#[test]
fn flows_and_patterns_have_a_sum() {
    let environments: String = (0..99).map(|at| format!("[environments.e{at}]\n")).collect();
    let talking = |many: usize| -> String {
        let names = |at: usize| (0..many).map(move |to| format!("\"s{}\"", (at + to + 1) % 150));
        let services = (0..150).map(|at| {
            let names: Vec<String> = names(at).collect();
            format!("[services.s{at}]\nstack = \"a\"\nimage = \"r.example.com/x:1.0\"\nports.http = 80\ntalks-to = [{}]\n", names.join(", "))
        });
        format!("[stacks.a]\nisolate = true\n{}{environments}", services.collect::<String>())
    };
    let limit = "1000000 peers in the rules of all environments";
    assert!(message("inventory.toml", &talking(40)).contains(limit));
    assert!(!message("inventory.toml", &talking(10)).contains(limit));

    let patterns = |count: usize| -> String {
        let entries: Vec<String> = (0..count).map(|at| format!("\"Secret/a/b{at}*\"")).collect();
        format!("external = [\"Secret/a/b\", {}]\n[stacks.a]\n", entries.join(", "))
    };
    let limit = "limit of 1000 entries with `*`";
    assert!(message("inventory.toml", &patterns(1001)).contains(limit));
    assert!(!message("inventory.toml", &patterns(1000)).contains(limit));
}

#[test]
fn messages_say_which_limit() {
    let many = format!("x: [{}]", "a, ".repeat(260_000));
    let aliases = format!("a: &a 1\nb: [{}]\n", "*a, ".repeat(200));
    let deep = |count: usize| format!("x: {}{}", "[".repeat(count), "]".repeat(count));
    for (name, text, words) in [
        ("inventory.toml", format!("x = {}{}", "[".repeat(70), "]".repeat(70)), "64 levels"),
        ("inventory.toml", format!("x = {}1{}", "[".repeat(1000), "]".repeat(1000)), "limit of 64 levels"),
        ("inventory.yaml", deep(40), "limit of 32 levels"),
        ("inventory.yaml", deep(4000), "limit of 32 levels"),
        ("inventory.yaml", many, "limit of 250000 values"),
        ("inventory.yaml", aliases, "limit of ten aliases for each anchor"),
    ] {
        let said = message(name, &text);
        assert!(said.contains(words), "{said} instead of {words}");
    }
}
