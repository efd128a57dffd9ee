//! Amounts as Kubernetes writes them: `500m`, `16Gi`, `1.5`, `1e3`.
//!
//! The grammar and the rounding are those of apimachinery's `resource.Quantity`.

use std::fmt;

/// An amount of cpu, memory, storage or anything else that Kubernetes counts, exact to a billionth.
///
/// Knows its value, not its spelling: `1Gi` and `1024Mi` are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// Reads a quantity. Rounds away from zero what is finer than a billionth, as Kubernetes does.
    ///
    /// # Errors
    /// Whatever Kubernetes would refuse. Also what it would change without a word: a binary amount over
    /// 2^63-1, which it cuts there; and amounts over 10^29, which nothing has.
    pub fn parse(text: &str) -> Result<Self, BadQuantity> {
        read(text).map(|nanos| Self { nanos }).map_err(|reason| {
            let mut suggestions = candidates(text);
            suggestions.retain(|candidate| read(candidate).is_ok());
            BadQuantity { reason, suggestions }
        })
    }

    /// A whole number: `3` cpus, `1024` bytes.
    pub fn from_integer(count: i64) -> Self {
        Self { nanos: i128::from(count) * NANO }
    }

    /// Whether it is less than nothing, which no resource may be.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// The sum; none if it is out of range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.nanos.checked_add(other.nanos).map(|nanos| Self { nanos })
    }

    /// The sum, or the greatest quantity there is.
    pub fn saturating_add(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos) }
    }

    /// The difference, or the least quantity there is.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos) }
    }

    /// So many times as much, as for replicas; none if it is out of range.
    pub fn checked_times(self, count: u64) -> Option<Self> {
        self.nanos.checked_mul(i128::from(count)).map(|nanos| Self { nanos })
    }

    /// So many times as much, or the greatest quantity there is.
    pub fn saturating_times(self, count: u64) -> Self {
        Self { nanos: self.nanos.saturating_mul(i128::from(count)) }
    }

    /// As people write cpus: `2`, `1500m`, and a thousand of them as `1000`, not `1k`.
    pub fn as_cpu(self) -> String {
        decimal(self.nanos, &DECIMAL[6..])
    }
}

/// The shortest spelling without a fraction, binary or decimal: `16Gi`, `1536Mi`, `500M`, `1500m`. Parses to
/// the same value. For cpus see [`Quantity::as_cpu`].
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = decimal(self.nanos, &DECIMAL);
        match binary(self.nanos) {
            Some(binary) if binary.len() < decimal.len() => f.write_str(&binary),
            _ => f.write_str(&decimal),
        }
    }
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuantity {
    /// What is wrong, lower case, without a full stop, the text in backticks and cut if it is very long.
    pub reason: String,
    /// What may have been meant, likeliest first. All of them parse.
    pub suggestions: Vec<String>,
}

impl BadQuantity {
    /// How to mend it, as a sentence for a diagnostic's help: ``write `4G` or `4Gi` ``.
    pub fn help(&self) -> Option<String> {
        let quoted: Vec<String> = self.suggestions.iter().map(|text| format!("`{text}`")).collect();
        (!quoted.is_empty()).then(|| format!("write {}", quoted.join(" or ")))
    }
}

impl fmt::Display for BadQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for BadQuantity {}

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

/// What a suffix multiplies by, in billionths; the greatest first.
const DECIMAL: [(&str, i128); 10] = [
    ("E", NANO * 1_000_000_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("G", NANO * 1_000_000_000),
    ("M", NANO * 1_000_000),
    ("k", NANO * 1_000),
    ("", NANO),
    ("m", 1_000_000),
    ("u", 1_000),
    ("n", 1),
];

/// The same for powers of 1024.
const BINARY: [(&str, i128); 6] = [
    ("Ei", NANO << 60),
    ("Pi", NANO << 50),
    ("Ti", NANO << 40),
    ("Gi", NANO << 30),
    ("Mi", NANO << 20),
    ("Ki", NANO << 10),
];

/// Kubernetes cuts binary amounts here.
const MOST_BINARY: i128 = i64::MAX as i128 * NANO;

fn decimal(nanos: i128, suffixes: &[(&str, i128)]) -> String {
    let whole = suffixes.iter().find(|(_, unit)| nanos != 0 && nanos % unit == 0);
    whole.map_or_else(|| "0".to_owned(), |(suffix, unit)| format!("{}{suffix}", nanos / unit))
}

fn binary(nanos: i128) -> Option<String> {
    let (suffix, unit) = BINARY.iter().find(|(_, unit)| nanos % unit == 0)?;
    (nanos.unsigned_abs() <= MOST_BINARY.unsigned_abs()).then(|| format!("{}{suffix}", nanos / unit))
}

/// Longer texts are not worth reading.
const LONGEST: usize = 160;

/// The value in billionths, or what is wrong.
fn read(text: &str) -> Result<i128, String> {
    if text.trim().is_empty() {
        return Err("the quantity is empty".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("{} is too long for a quantity", shown(text)));
    }
    if text.contains(char::is_whitespace) {
        return Err(format!("{} has a blank in it", shown(text)));
    }
    let Parts { negative, whole, fraction, suffix } = Parts::of(text);
    if whole.is_empty() && fraction.is_empty() {
        return Err(format!("{} does not begin with a number", shown(text)));
    }
    let size = if let Some((_, unit)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        in_units(whole, fraction, *unit).filter(|size| *size <= MOST_BINARY).ok_or_else(|| {
            format!("{} is over 2^63-1, where Kubernetes cuts binary quantities off", shown(text))
        })?
    } else {
        let exponent = exponent(suffix).ok_or_else(|| fault_in_suffix(text, suffix))?;
        shifted(whole, fraction, exponent).ok_or_else(|| format!("{} is too large to count", shown(text)))?
    };
    Ok(if negative { -size } else { size })
}

/// A quantity taken apart. `whole` and `fraction` are digits only and may be empty.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = leading_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), leading_digits);
        Self { negative: text.starts_with('-'), whole, fraction, suffix }
    }
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The power of ten that a decimal suffix or an exponent means.
fn exponent(suffix: &str) -> Option<i16> {
    if let Some(at) = DECIMAL.iter().position(|(name, _)| *name == suffix) {
        return i16::try_from(at).ok().map(|at| 18 - 3 * at);
    }
    suffix.strip_prefix(['e', 'E'])?.parse().ok()
}

/// `whole.fraction` times ten to the `exponent`, in billionths, rounded up.
fn shifted(whole: &str, fraction: &str, exponent: i16) -> Option<i128> {
    let digits = [whole, fraction].concat();
    let point = i64::from(exponent) + 9 + i64::try_from(whole.len()).ok()?;
    let kept = usize::try_from(point).unwrap_or(0).min(digits.len());
    let (kept, dropped) = digits.split_at(kept);
    let rest = i128::from(dropped.bytes().any(|digit| digit != b'0'));
    let zeros = point - i64::try_from(digits.len()).ok()?;
    match number(kept)? {
        0 => Some(rest),
        kept if zeros > 0 => kept.checked_mul(10i128.checked_pow(u32::try_from(zeros).ok()?)?),
        kept => kept.checked_add(rest),
    }
}

/// `whole.fraction` times `unit`, rounded up.
fn in_units(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    // From the last digit to the first, so that nothing grows beyond ten units: dropping what is less than one
    // at each step gives the same as dropping it once at the end.
    let (part, inexact) = fraction.bytes().rev().fold((0, false), |(sum, inexact), digit| {
        let sum = sum + i128::from(digit - b'0') * unit;
        (sum / 10, inexact || sum % 10 != 0)
    });
    number(whole)?.checked_mul(unit)?.checked_add(part)?.checked_add(i128::from(inexact))
}

/// Digits as a number, no digits as zero.
fn number(digits: &str) -> Option<i128> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

fn fault_in_suffix(text: &str, suffix: &str) -> String {
    let power = suffix.strip_prefix(['e', 'E']).map(|power| power.trim_start_matches(['+', '-']));
    if suffix.starts_with(',') {
        format!("{} has a decimal comma", shown(text))
    } else if suffix.starts_with('.') {
        format!("{} has more than one point", shown(text))
    } else if power.is_some_and(|power| !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit()))
    {
        format!("the exponent of {} is out of range", shown(text))
    } else {
        format!("{} ends in {}, which is no suffix of Kubernetes", shown(text), shown(suffix))
    }
}

/// What may have been meant by a text that is no quantity. Not all of it need parse.
fn candidates(text: &str) -> Vec<String> {
    if text.len() > LONGEST {
        return Vec::new();
    }
    let mut plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    if plain.matches(',').count() == 1 && !plain.contains('.') {
        plain = plain.replace(',', ".");
    }
    plain.retain(|c| c != ',');
    let suffix = Parts::of(&plain).suffix;
    let number = plain.strip_suffix(suffix).unwrap_or_default();
    let meant = meant_by(suffix).into_iter().map(|suffix| format!("{number}{suffix}"));
    if plain == text || read(&plain).is_err() { meant.collect() } else { vec![plain.clone()] }
}

/// The suffixes that people may mean by `written`: `GB` is `G` or `Gi`.
fn meant_by(written: &str) -> Vec<&'static str> {
    let lower = written.to_ascii_lowercase();
    match lower.as_str() {
        "b" | "byte" | "bytes" | "core" | "cores" | "cpu" | "cpus" | "vcpu" | "vcpus" => return vec![""],
        "millicore" | "millicores" | "mcpu" | "millicpu" => return vec!["m"],
        "µ" | "μ" => return vec!["u"],
        _ => {}
    }
    let size = lower.trim_end_matches("ytes").trim_end_matches("yte").trim_end_matches('b');
    let decimal = DECIMAL[..6].iter().map(|(name, _)| *name);
    let all = decimal.chain(BINARY.iter().map(|(name, _)| *name));
    all.filter(|name| {
        name.to_ascii_lowercase().trim_end_matches('i') == size || name.eq_ignore_ascii_case(size)
    })
    .filter(|name| !size.ends_with('i') || name.ends_with('i'))
    .collect()
}

/// `text` in backticks, cut if it is very long, with what a terminal would not show spelled out.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let cut: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}
