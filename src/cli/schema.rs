//! `bayplan schema`: the JSON Schema of the inventory.

use anyhow::Result;
use bayplan::inventory::schema::inventory_schema;

use super::{Exit, print};

/// Prints the schema.
pub fn run() -> Result<Exit> {
    print(&format!("{:#}\n", inventory_schema()))?;
    Ok(Exit::Clean)
}
