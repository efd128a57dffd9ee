//! Random environments: what a person could write to make one differ from the defaults. Not all of it is sound;
//! the checks sort out the rest.

use bayplan::object::Value;
use serde_json::{Map, json};

/// SplitMix64: a seed is all it takes to see a case again.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A random environment of an inventory, in namespaces of its own and without fixed addresses, so that it fits
/// beside others.
pub fn environment(inventory: &Value, suffix: &str, dice: &mut Dice) -> Value {
    let mut services = Map::new();
    for (name, service) in tables(inventory, "services") {
        let mut change = Map::new();
        if service["ip"].is_string() || service["ip"].is_array() {
            change.insert("ip".to_owned(), json!(false));
        }
        for _ in 0..dice.below(6) {
            let (key, value) = service_change(service, dice);
            change.insert(key.to_owned(), value);
        }
        services.insert(name.clone(), Value::Object(change));
    }
    let mut stacks = Map::new();
    for (name, stack) in tables(inventory, "stacks") {
        let changes = (0..dice.below(3)).map(|_| stack_change(stack, dice));
        let change: Map<String, Value> = changes.map(|(key, value)| (key.to_owned(), value)).collect();
        stacks.insert(name.clone(), Value::Object(change));
    }
    json!({
        "namespace-suffix": suffix,
        "domain": format!("x{suffix}.example.com"),
        "env": env(dice),
        "stacks": stacks,
        "services": services,
    })
}

/// The tables under a key of the inventory.
pub fn tables<'v>(inventory: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    inventory.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn stack_change(stack: &Value, dice: &mut Dice) -> (&'static str, Value) {
    match dice.below(8) {
        0 => ("env", env(dice)),
        1 => ("labels", json!({ "team": word(dice) })),
        2 => ("isolate", json!(dice.one_in(2))),
        3 => ("limits", json!({ "default": { "memory": "700Mi" }, "default-request": { "memory": "70Mi" } })),
        4 => ("annotations", json!({ "example.com/note": text(dice) })),
        5 => ("enabled", json!(!dice.one_in(3))),
        6 => ("part-of", json!("something-else")),
        _ => {
            let names: Vec<&String> = tables(stack, "claims").map(|(name, _)| name).collect();
            let claims = if names.is_empty() {
                json!({})
            } else {
                json!({ (*dice.pick(&names)): { "size": format!("{}Gi", 1 + dice.below(90)) } })
            };
            ("claims", claims)
        }
    }
}

fn service_change(service: &Value, dice: &mut Dice) -> (&'static str, Value) {
    match dice.below(25) {
        0 => ("enabled", json!(!dice.one_in(2))),
        1 => ("replicas", json!(dice.below(4))),
        2 => ("image", json!(format!("example.org/other:{}.{}", dice.below(9), dice.below(9)))),
        3 | 4 => ("env", env(dice)),
        5 | 6 => ("ports", ports(service, dice)),
        7 => ("ip", if dice.one_in(2) { json!("auto") } else { json!(false) }),
        8 => ("probe", probe(service, dice)),
        9 | 10 => ("volumes", volumes(service, dice)),
        11 => ("host", hosts(dice)),
        12 => ("path", json!(format!("/p{}", dice.below(9)))),
        13 => ("resources", resources(dice)),
        14 => ("args", texts(dice)),
        15 => ("command", texts(dice)),
        16 => ("labels", json!({ (*dice.pick(&["tier", "example.com/tier"])): "x1" })),
        17 => ("annotations", json!({ "example.com/a.b_c": text(dice) })),
        18 => ("node-selector", json!({ "kubernetes.io/arch": dice.pick(&["amd64", "arm64"]) })),
        19 => (
            "tolerations",
            json!([{ "key": dice.pick(&["yes", "0755", "1e3", "a/b"]), "operator": "Exists" }]),
        ),
        20 => ("termination-grace-period", json!(dice.below(100))),
        21 => ("kind", json!(dice.pick(&["deployment", "stateful-set", "daemon-set"]))),
        22 => ("strategy", json!(dice.pick(&["recreate", "rolling-update"]))),
        23 => ("monitor", json!(dice.one_in(2))),
        _ => ("security-context", json!({ "readOnlyRootFilesystem": dice.one_in(2), "runAsUser": 7 })),
    }
}

/// What a label's value may be, and YAML likes to misread.
fn word(dice: &mut Dice) -> String {
    (*dice.pick(&["yes", "null", "0755", "1e3", "", "1.10"])).to_owned()
}

fn text(dice: &mut Dice) -> String {
    const TEXTS: &[&str] = &[
        "yes", "null", "0755", "1e3", "12:30", "", " padded ", "a\nb\n", "# no", "a: b", "$patch", "é",
        "1.10",
    ];
    (*dice.pick(TEXTS)).to_owned()
}

fn texts(dice: &mut Dice) -> Value {
    (0..dice.below(4)).map(|_| text(dice)).collect::<Vec<_>>().into()
}

fn env(dice: &mut Dice) -> Value {
    const NAMES: &[&str] = &["A", "B", "LOG", "TZ", "MODE", "CACHE", "PUID", "_x.y-z"];
    (0..dice.below(3))
        .map(|_| ((*dice.pick(NAMES)).to_owned(), json!(text(dice))))
        .collect::<Map<_, _>>()
        .into()
}

fn hosts(dice: &mut Dice) -> Value {
    let host = format!("h{}", dice.below(1_000_000));
    match dice.below(3) {
        0 => json!(false),
        1 => json!([host, format!("{host}b")]),
        _ => json!(host),
    }
}

fn resources(dice: &mut Dice) -> Value {
    let memory = 64 + dice.below(64);
    json!({
        "requests": { "memory": format!("{memory}Mi"), "cpu": format!("{}m", 10 + dice.below(50)) },
        "limits": { "memory": format!("{}Mi", 2 * memory), "cpu": "2" },
    })
}

fn ports(service: &Value, dice: &mut Dice) -> Value {
    let names: Vec<&String> = tables(service, "ports").map(|(name, _)| name).collect();
    let number = 20_000 + dice.below(9_000);
    if names.is_empty() || dice.one_in(2) {
        return json!({ (format!("p{}", dice.below(3))): { "port": number, "protocol": dice.pick(&["TCP", "UDP"]) } });
    }
    let change = match dice.below(3) {
        0 => json!({ "target-port": number }),
        1 => json!({ "port": number, "app-protocol": "https" }),
        _ => json!(number),
    };
    json!({ (*dice.pick(&names)): change })
}

fn probe(service: &Value, dice: &mut Dice) -> Value {
    let names: Vec<&String> = tables(service, "ports").map(|(name, _)| name).collect();
    match dice.below(4) {
        0 => json!(false),
        1 => json!({ "exec": ["true", text(dice)], "failures": 1 + dice.below(9) }),
        _ if names.is_empty() => json!({ "exec": ["true"] }),
        2 => json!({ "tcp": dice.pick(&names), "period": "7s" }),
        _ => json!({ "http": "/h", "port": dice.pick(&names), "tls": dice.one_in(2) }),
    }
}

fn volumes(service: &Value, dice: &mut Dice) -> Value {
    let names: Vec<&String> = tables(service, "volumes").map(|(name, _)| name).collect();
    let at = format!("/m{}", dice.below(99));
    let name = if names.is_empty() || dice.one_in(3) { "extra" } else { dice.pick(&names).as_str() };
    let volume = match dice.below(4) {
        0 if name != "extra" => json!(false),
        1 => json!({ "empty-dir": true, "mount": at, "sub-path": "s" }),
        2 => json!({ "config-map": "some", "mount": at, "read-only": true }),
        _ => json!({ "empty-dir": { "size": "1Gi", "memory": true }, "mount": at }),
    };
    json!({ name: volume })
}
