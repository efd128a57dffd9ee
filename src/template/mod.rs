//! Templates: the folder as a plan, and what its files render.
//!
//! A template never writes a value into YAML text. Each `{{ value }}` leaves a **hole**; the text with
//! holes is parsed, and the values are put into the parsed tree. So no value can inject YAML, and one
//! skeleton is parsed once however many services share it.
//!
//! For authors: a scalar that is one `{{ value }}` takes the value's type (in quotes or a block: a text); with
//! text around it, it is a text. What a macro or `{% set x %}…{% endset %}` wrote is YAML with holes: print it or
//! give it to a filter; `==` and `~` see it before its holes are filled. `~` spells booleans `True`. There is no
//! `*` (use `times`). Literal YAML is read as kubectl reads it (`yes` is true); literal keys are texts.
//!
//! This room knows neither inventory nor model: it is given names and values, and returns objects or text.
//! It reads no file; a template sees only the templates of its set.

pub mod builtin;
mod engine;
mod filters;
mod given;
mod guard;
mod holes;
mod locate;
mod origin;
mod route;
mod total;
mod unused;

pub use engine::{Engine, FUEL, FUEL_PER_SERVICE, Kind, OUTPUT_LIMIT};
pub use filters::YamlText;
pub use given::{Watched, given, given_list, given_map, given_members, given_record, shared};
pub use locate::{Located, Rendition};
pub use route::{BadPath, Listed, Origin, Route, TemplateFile, TemplateSet, VARIABLES};
pub use unused::looks_meant;

use crate::diagnostic::codes;

codes! {
    /// The engine cannot read a template.
    TEMPLATE_SYNTAX = ("template-syntax", Templates, Error, "a template cannot be read");
    /// A template uses a name that nothing has.
    TEMPLATE_UNDEFINED = ("template-undefined", Templates, Error, "a template uses a value that does not exist");
    /// A template fails while it is rendered.
    TEMPLATE_ERROR = ("template-error", Templates, Error, "a template fails while it is rendered");
    /// A template takes more time, text or depth than it may.
    TEMPLATE_LIMIT = ("template-limit", Templates, Error, "a template takes more time or space than it may");
    /// What a template rendered is not YAML, or not an object.
    TEMPLATE_YAML = ("template-yaml", Templates, Error, "what a template renders is not a YAML object");
    /// A template stands where no output can follow from.
    TEMPLATE_PATH = ("template-path", Templates, Error, "a template's path is no route to an output file");
    /// A file among the templates that nothing is made of.
    UNUSED_TEMPLATE = ("unused-template", Templates, Warning, "a file among the templates has no effect");
}

#[cfg(test)]
mod tests;
