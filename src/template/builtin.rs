//! The built-in templates, embedded.

/// Path in the template folder, and text.
pub const BUILTIN: &[(&str, &str)] = &[];
