//! Time zones, by their names in the tz database.

use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::object::zones::{is_time_zone, meant};
use crate::source::Spanned;

/// A time zone with references replaced; reported if there is none of this name. What Flux fills in is not known yet.
pub fn lower_time_zone(resolver: &mut Resolver<'_>, text: &Text) -> Spanned<String> {
    let zone = resolver.text(text);
    if !zone.contains("${") && !is_time_zone(&zone) {
        let reason = match zone.as_str() {
            "" => "it is empty".to_owned(),
            "Local" => "whose local time is not said".to_owned(),
            _ => "the tz database has none of this name".to_owned(),
        };
        let shown: String = zone.chars().take(80).collect();
        let message = format!("`{shown}` is not a time zone: {reason}");
        let diagnostic = BAD_VALUE.at(zone.span, "not a time zone", message);
        resolver.found.push(match meant(&zone) {
            Some(zone) => diagnostic.help(format!("did you mean `{zone}`?")),
            None => diagnostic.help("name it as the tz database does, such as \"Europe/Berlin\" or \"UTC\""),
        });
    }
    zone
}
