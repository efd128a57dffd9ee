//! The order of an inventory's tables and keys means nothing: shuffled, it has the same findings and the same model.

use bayplan::inventory::parse;
use bayplan::model::{Environment, resolve};
use bayplan::source::{FileId, Source};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, proptest};
use proptest::sample::Index;
use toml::{Table, Value};

use crate::cases::{check, files};
use crate::markers::Case;

/// Files whose findings are about the text, or name what stands first of many: order is their subject.
const ABOUT_ORDER: &[&str] =
    &["three-", "-three-", "ipv6-spelled-twice", "two-circles", "environments-count", "one-too-many"];

fn shuffled(value: Value, choices: &mut impl Iterator<Item = usize>) -> Value {
    match value {
        Value::Table(table) => {
            let mut entries: Vec<(String, Value)> = table.into_iter().collect();
            for last in (1..entries.len()).rev() {
                entries.swap(last, choices.next().unwrap_or(0) % (last + 1));
            }
            Value::Table(entries.into_iter().map(|(key, value)| (key, shuffled(value, choices))).collect())
        }
        other => other,
    }
}

/// The rules that object. Which of several things stands first in the file decides only how a message is worded and
/// which of them it is about.
fn findings(text: &str) -> Vec<&'static str> {
    let (_, found) = check("inventory.toml".as_ref(), text);
    let mut findings: Vec<_> = found.iter().map(|one| one.code.name).collect();
    findings.sort_unstable();
    findings
}

/// The model as templates see it.
fn model(text: &str) -> String {
    let parsed = parse(&Source::new("inventory.toml", text), FileId::default());
    let model = resolve(&parsed.value).value.unwrap();
    let environments: Vec<_> = model
        .environments
        .iter()
        .map(|environment| serde_json::json!([environment, environment.stacks]))
        .collect();
    serde_json::to_string_pretty(&serde_json::json!([model, environments])).unwrap()
}

/// Every case that is TOML and says the same in any order.
fn cases() -> Vec<(String, Table)> {
    files()
        .into_iter()
        .map(|(path, text)| (path.display().to_string(), Case::read(&text).text))
        .filter(|(path, _)| path.ends_with(".toml") && !ABOUT_ORDER.iter().any(|word| path.contains(word)))
        .filter_map(|(path, text)| Some((path, text.parse().ok()?)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_tables_and_keys_means_nothing(
        (all, choices) in (Just(cases()), proptest::collection::vec(any::<Index>(), 64))
            .prop_map(|(all, choices)| (all, choices.iter().map(|choice| choice.index(1 << 16)).collect::<Vec<_>>()))
    ) {
        for (path, table) in all {
            let plain = toml::to_string(&table).unwrap();
            let mixed = shuffled(Value::Table(table), &mut choices.iter().copied().cycle());
            let mixed = toml::to_string(&mixed).unwrap();
            assert_eq!(findings(&plain), findings(&mixed), "{path}\n{plain}\n---\n{mixed}");
            assert_eq!(model(&plain), model(&mixed), "{path}\n{plain}\n---\n{mixed}");
        }
    }
}

/// An environment that changes nothing stands for the defaults, and they for it: the same as if each were resolved.
#[test]
fn an_environment_that_changes_nothing_is_the_defaults() {
    let environments = |text: &str| {
        let parsed = parse(&Source::new("inventory.toml", text), FileId::default());
        let model = resolve(&parsed.value).value.unwrap();
        let all = std::iter::once(model.base).chain(model.environments);
        // How they were resolved is not what they say.
        all.map(|environment| format!("{:#?}", Environment { names_itself: false, ..environment }))
            .collect::<Vec<_>>()
    };
    let mut compared = 0;
    for (path, table) in cases() {
        let some = |key| table.get(key).and_then(Value::as_table).and_then(|all| all.keys().next());
        let Some(service) = some("services").filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric()))
        else {
            continue;
        };
        let text = toml::to_string(&table).unwrap();
        for more in ["", "[environments.other]\nnamespace-suffix = \"-other\"\n"] {
            let [plain, empty] = ["", &format!("services.{service} = {{}}\n")]
                .map(|change| format!("{text}\n{more}[environments.same]\n{change}"));
            assert_eq!(environments(&plain), environments(&empty), "{path}");
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

/// What is looked up by name stands in the order of names.
#[test]
fn lists_of_named_things_are_sorted() {
    for (path, text) in files() {
        let parsed =
            parse(&Source::new(path.display().to_string(), Case::read(&text).text), FileId::default());
        let model = resolve(&parsed.value).value.unwrap();
        let sorted = |names: Vec<&str>| assert!(names.is_sorted(), "{}: {names:?}", path.display());
        sorted(model.charts.iter().map(|chart| chart.name.as_str()).collect());
        sorted(model.nodes.iter().map(|node| node.name.as_str()).collect());
        sorted(model.storage_classes.iter().map(|class| class.name.as_str()).collect());
        for stack in std::iter::once(&model.base).chain(&model.environments).flat_map(|one| &one.stacks) {
            sorted(stack.claims.iter().map(|claim| claim.name.as_str()).collect());
            sorted(stack.secrets.iter().map(|secret| secret.key.as_str()).collect());
        }
    }
}
