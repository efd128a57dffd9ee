//! What a YAML 1.1 reader takes an unquoted scalar for: <https://yaml.org/type/>, and where go-yaml and PyYAML take
//! more than that. An independent word on what the emitter may leave unquoted.

use std::sync::LazyLock;

use regex::Regex;

/// Everything that is not a text, in any of the readers. (The page lets a float have several dots; no reader does, or
/// addresses would be numbers.)
static OTHER_THAN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        "~|null|Null|NULL|",
        "y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "[-+]?0[bB][0-1_]+|[-+]?0[oO]?[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0[xX][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+",
        r"[-+]?([0-9][0-9_]*)?\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*([eE][-+]?[0-9]+)|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
        r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
        "<<|=",
    ];
    Regex::new(&format!("^({})$", kinds.join("|"))).unwrap()
});

/// What starts or ends a plain scalar otherwise than as a text.
static NO_PLAIN_TEXT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[-?:]( |$)|^[,\\[\\]{}#&*!|>'\"%@` \t]|: |:$| #|[ \t]$|\n").unwrap());

/// A number as YAML 1.1 and 1.2 both know it.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(-?(0|[1-9][0-9]*)|-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?)$").unwrap()
});

/// Whether a text may stand unquoted as a value or key.
pub fn is_text(plain: &str) -> bool {
    !OTHER_THAN_TEXT.is_match(plain) && !NO_PLAIN_TEXT.is_match(plain)
}

/// Whether a number is one for every reader.
pub fn is_number(written: &str) -> bool {
    NUMBER.is_match(written)
}
