//! Addresses, ranges of them, and where ranges overlap.
//!
//! [`parse_host`] and its sisters read what people write and say what is wrong with it, [`Range`] is one
//! run of addresses, [`RangeSet`] many of them, [`Lookup`] names the one that holds an address, and [`sweep`]
//! finds every overlap among any number of claims. This room knows no inventory: what a claim is for, and what an overlap means, is decided
//! upstairs. It also does not judge what an address is used for: `0.0.0.0` and `ff02::1` parse.

mod lookup;
mod parse;
mod range;
mod set;
mod sweep;

pub use lookup::Lookup;
pub use parse::{BadAddress, parse_cidr, parse_host, parse_pool_entry, parse_range, parse_range_or_host};
pub use range::{Family, Range};
pub use set::RangeSet;
pub use sweep::{Claim, Pairs, sweep};
