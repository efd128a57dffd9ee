//! What the sources do not say, from `corrections.txt`: one line for each, `TYPE.FIELD = VERB WORDS`.

use crate::schema::{Field, Node, Schemas, Type};

/// Applies each line. One that fits nothing is a mistake, or a source has changed.
pub fn apply(text: &str, schemas: &mut Schemas) {
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.is_empty() {
            continue;
        }
        let (place, what) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}: no ` = `"));
        let mut words = what.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let count = correct(place.trim(), verb, &words, schemas);
        assert!(count > 0, "{line}: fits nothing");
    }
}

fn correct(place: &str, verb: &str, words: &[&str], schemas: &mut Schemas) -> usize {
    if verb == "kind" {
        return add_kind(place, words, schemas);
    }
    if verb == "type" {
        let mut of = Type { open: words.contains(&"open"), ..Type::default() };
        for name in words.iter().filter(|word| **word != "open") {
            add_field(&mut of, name);
        }
        schemas.types.insert(place.to_owned(), of);
        return 1;
    }
    if verb == "drop" {
        let before = schemas.kinds.len();
        schemas.kinds.retain(|(version, kind), _| !fits(place, &format!("{version}.{kind}")));
        return before - schemas.kinds.len();
    }
    if verb == "open" {
        let mut count = 0;
        for (_, of) in schemas.types.iter_mut().filter(|(name, _)| fits(place, name)) {
            of.open = true;
            count += 1;
        }
        return count;
    }
    if verb == "field" {
        let (of, name) = place.rsplit_once('.').expect("TYPE.FIELD");
        let Some(of) = schemas.types.get_mut(of) else { return 0 };
        of.fields.insert(name.to_owned(), Field { node: node(words), required: false, since: 0 });
        return 1;
    }
    let mut count = 0;
    for (name, of) in &mut schemas.types {
        for (field, what) in &mut of.fields {
            if fits(place, &format!("{name}.{field}")) {
                change(what, verb, words);
                count += 1;
            }
        }
    }
    count
}

fn add_kind(place: &str, words: &[&str], schemas: &mut Schemas) -> usize {
    let (version, name) = place.rsplit_once('.').expect("VERSION.KIND");
    let of = words[0].to_owned();
    let namespaced = words.contains(&"namespaced");
    let kind = crate::schema::Kind { of, namespaced, served: (0, 0) };
    schemas.kinds.insert((version.to_owned(), name.to_owned()), kind);
    1
}

/// `name:node!`, where `!` says that it must be given.
fn add_field(of: &mut Type, text: &str) {
    let (text, required) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (name, what) = text.split_once(':').unwrap_or((text, "any"));
    let what: Vec<&str> = what.split(',').collect();
    of.fields.insert(name.to_owned(), Field { node: node(&what), required, since: 0 });
}

fn change(field: &mut Field, verb: &str, words: &[&str]) {
    match verb {
        "required" => field.required = true,
        "optional" => field.required = false,
        "keys" => {
            if let Node::List(_, keys) = &mut field.node {
                *keys = words.iter().map(|word| (*word).to_owned()).collect();
            } else {
                panic!("keys of what is no list: {words:?}");
            }
        }
        _ => {
            let mut all = vec![verb];
            all.extend(words);
            let inner = node(&all);
            // What is said of a list or map of plain values is said of its elements.
            match (&mut field.node, &inner) {
                (Node::List(old, _) | Node::Map(old), new)
                    if !matches!(new, Node::Any | Node::List(..) | Node::Map(_) | Node::Object(_)) =>
                {
                    **old = inner;
                }
                (old, _) => *old = inner,
            }
        }
    }
}

fn node(words: &[&str]) -> Node {
    let number = |at: usize| words[at].parse::<i64>().expect("a number");
    let rest = || words[1..].iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    match words[0] {
        "any" => Node::Any,
        "text" => Node::Text,
        "integer" => Node::Integer,
        "number" => Node::Number,
        "bool" => Node::Bool,
        "int-or-text" => Node::IntOrText,
        "quantity" => Node::Quantity,
        "port" => Node::Range(1, 65535),
        "range" => Node::Range(number(1), number(2)),
        "enum" => Node::Enum(rest()),
        "format" => Node::Format(words[1].to_owned()),
        "list" => Node::List(Box::new(node(&words[1..])), Vec::new()),
        "map" => Node::Map(Box::new(node(&words[1..]))),
        "object" => Node::Object(words[1].to_owned()),
        other => panic!("no such thing as {other}"),
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| fits(rest, &name[at..]))
        }),
    }
}
