//! Commands whose first word is a whole line: Kubernetes starts no shell that would take it apart.

use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::node::{Node, Value};
use crate::model::Model;

codes! { Resources:
    /// A program whose name is a command line.
    COMMAND_IN_ONE_WORD = ("command-in-one-word", Warning, "a command whose program is a whole command line, which no container finds");
}

/// Where commands stand.
const COMMANDS: [&str; 12] = [
    "services.*.command",
    "services.*.sidecars.*.command",
    "services.*.init-containers.[].command",
    "services.*.probe.exec",
    "services.*.readiness-probe.exec",
    "services.*.liveness-probe.exec",
    "services.*.startup-probe.exec",
    "services.*.sidecars.*.probe.exec",
    "services.*.lifecycle.post-start",
    "services.*.lifecycle.pre-stop",
    "services.*.sidecars.*.lifecycle.post-start",
    "services.*.sidecars.*.lifecycle.pre-stop",
];

/// What only a shell makes something of.
const OF_SHELLS: &[char] = &['|', '&', ';', '<', '>', '$', '`', '\'', '"', '\\', '*', '?', '\n'];

/// Runs the rule about commands.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for place in COMMANDS.iter().flat_map(|pattern| model.everywhere(pattern)) {
        let Some((program, text)) = program(place.node) else { continue };
        let mut words = text.split_whitespace();
        let (Some(first), Some(_), false) = (words.next(), words.next(), text.contains("${")) else {
            continue;
        };
        // What comes behind may be a password.
        let first: String = first.chars().take(80).collect();
        let message =
            format!("`{first} …` is a whole line, and Kubernetes starts no shell that would take it apart");
        let help = match text.contains(OF_SHELLS) {
            true => "start a shell with the line: `[\"/bin/sh\", \"-c\", …]`".to_owned(),
            false => format!("write each word by itself: `[\"{first}\", …]`"),
        };
        found.push(
            COMMAND_IN_ONE_WORD.at(program.span, "one word", message).about(place.subject()).help(help),
        );
    }
}

/// The first word of a command.
fn program(command: &Node) -> Option<(&Node, &str)> {
    match &command.value {
        Value::Array(words) => words.first().and_then(|word| Some((word, word.text()?))),
        _ => None,
    }
}
