//! `TZ`: the time zone that a container is told, by the names of the tz database.

use crate::diagnostic::{Diagnostic, Diagnostics, Level};
use crate::model::written::Written;
use crate::model::{BAD_VALUE, Model};
use crate::object::zones::{is_time_zone, meant};

/// A container that is told of a zone that there is not runs in UTC without a word.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let mut wrong = Vec::new();
    model.each_text(|written| {
        let of_containers = matches!(written.path.first(), Some(&("services" | "stacks" | "environments")));
        if of_containers && written.path.ends_with(&["env", "TZ"]) && !may_be_zone(written.text) {
            wrong.push(no_zone(&written));
        }
    });
    found.extend(wrong);
}

fn no_zone(written: &Written<'_>) -> Diagnostic {
    let shown: String = written.text.chars().take(80).collect();
    let message = format!("`TZ` is `{shown}`, and the tz database has no zone of this name");
    let mut diagnostic = BAD_VALUE.at(written.span, "not a time zone", message);
    diagnostic.level = Level::Warning;
    let diagnostic = diagnostic.help(match meant(written.text) {
        Some(zone) => format!("did you mean `{zone}`?"),
        None => "name it as the tz database does, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    });
    written.subjects().into_iter().fold(diagnostic, Diagnostic::about)
}

/// A zone, a file, a POSIX form such as `CET-1CEST`, or what is not known yet. Nothing is UTC.
fn may_be_zone(text: &str) -> bool {
    let text = text.strip_prefix(':').unwrap_or(text);
    let named = text.strip_prefix("posix/").or_else(|| text.strip_prefix("right/")).unwrap_or(text);
    text.is_empty()
        || text.starts_with('/')
        || text.contains("${")
        || text.contains("$(")
        || is_time_zone(named)
        || is_posix(text)
}

/// A name of three letters or more, or one in `<>`, and how far UTC is ahead.
fn is_posix(text: &str) -> bool {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map_or("", |(_, rest)| rest),
        None => {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            if text.len() - rest.len() < 3 { "" } else { rest }
        }
    };
    rest.strip_prefix(['+', '-']).unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::may_be_zone;

    #[test]
    fn zones_files_and_posix_forms_are_taken() {
        for text in ["Europe/Berlin", "UTC", "", ":Europe/Berlin", "posix/Asia/Tokyo", "/etc/localtime"] {
            assert!(may_be_zone(text), "{text}");
        }
        for text in ["CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "UTC0", "${cluster.timezone}", "$(ZONE)"] {
            assert!(may_be_zone(text), "{text}");
        }
        for text in ["Europe/Berln", "europe/berlin", "CEST", "<+03>", "A1", "Local"] {
            assert!(!may_be_zone(text), "{text}");
        }
    }
}
