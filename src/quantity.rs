//! Amounts as Kubernetes writes them: `500m`, `16Gi`, `1.5`, `1e3`.
//!
//! The grammar and the rounding are those of apimachinery's `resource.Quantity`.

use std::fmt;

/// An amount of cpu, memory, storage or anything else that Kubernetes counts, exact to a billionth.
///
/// Knows its value, not its spelling: `1Gi` and `1024Mi` are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    /// The upper and the lower half of the billionths: a whole `i128` would stand on sixteen bytes, and leave room unused
    /// beside each.
    high: i64,
    low: u64,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    fn from_nanos(nanos: i128) -> Self {
        Self { high: (nanos >> 64) as i64, low: nanos as u64 }
    }

    fn nanos(self) -> i128 {
        i128::from(self.high) << 64 | i128::from(self.low)
    }

    /// Reads a quantity. Rounds away from zero what is finer than a billionth, as Kubernetes does.
    ///
    /// # Errors
    /// Whatever Kubernetes would refuse. Also what it would change without a word: a binary amount over
    /// 2^63-1, which it cuts there; and amounts over 10^29, which nothing has.
    pub fn parse(text: &str) -> Result<Self, BadQuantity> {
        read(text).map(Self::from_nanos).map_err(|reason| {
            let mut suggestions = candidates(text);
            suggestions.retain(|candidate| read(candidate).is_ok());
            BadQuantity { reason, suggestions }
        })
    }

    /// A whole number: `3` cpus, `1024` bytes.
    pub fn from_integer(count: i64) -> Self {
        Self::from_nanos(i128::from(count) * NANO)
    }

    /// Whether it is less than nothing, which no resource may be.
    pub fn is_negative(self) -> bool {
        self.nanos() < 0
    }

    /// Whether it has no fraction, as what is counted has none.
    pub fn is_whole(self) -> bool {
        self.nanos() % NANO == 0
    }

    /// Whether it is so many of another, which must be more than nothing.
    pub fn is_multiple_of(self, other: Self) -> bool {
        other.nanos() > 0 && self.nanos() % other.nanos() == 0
    }

    /// The sum; none if it is out of range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.nanos().checked_add(other.nanos()).map(Self::from_nanos)
    }

    /// The sum, or the greatest quantity there is.
    pub fn saturating_add(self, other: Self) -> Self {
        Self::from_nanos(self.nanos().saturating_add(other.nanos()))
    }

    /// The difference, or the least quantity there is.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self::from_nanos(self.nanos().saturating_sub(other.nanos()))
    }

    /// So many times as much, as for replicas; none if it is out of range.
    pub fn checked_times(self, count: u64) -> Option<Self> {
        self.nanos().checked_mul(i128::from(count)).map(Self::from_nanos)
    }

    /// So many times as much, or the greatest quantity there is.
    pub fn saturating_times(self, count: u64) -> Self {
        Self::from_nanos(self.nanos().saturating_mul(i128::from(count)))
    }

    /// As people write cpus: `2`, `1500m`, and a thousand of them as `1000`, not `1k`.
    pub fn as_cpu(self) -> String {
        decimal(self.nanos(), &DECIMAL[6..])
    }
}

/// The shortest spelling without a fraction, binary or decimal: `16Gi`, `1536Mi`, `500M`, `1500m`. Parses to
/// the same value. For cpus see [`Quantity::as_cpu`].
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = decimal(self.nanos(), &DECIMAL);
        match binary(self.nanos()) {
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
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    let joined = plain.replace(',', "");
    let mut spellings = match plain.split_once(',') {
        None => vec![plain],
        Some((_, more)) if more.contains([',', '.']) => vec![joined],
        // A comma before three digits may be meant either way.
        Some((_, more)) if leading_digits(more).0.len() == 3 => vec![joined, plain.replace(',', ".")],
        Some(_) => vec![plain.replace(',', ".")],
    };
    let readable = |spelling: &String| spelling != text && read(spelling).is_ok();
    if !spellings.iter().any(readable) {
        spellings = spellings.iter().flat_map(|spelling| with_meant_suffix(spelling)).collect();
    }
    spellings
}

fn with_meant_suffix(text: &str) -> Vec<String> {
    let suffix = Parts::of(text).suffix;
    let number = text.strip_suffix(suffix).unwrap_or(text);
    meant_by(suffix).into_iter().map(|suffix| format!("{number}{suffix}")).collect()
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
    let names = DECIMAL[..6].iter().chain(&BINARY).map(|(name, _)| *name);
    names
        .filter(|name| {
            name.eq_ignore_ascii_case(size) || name.trim_end_matches('i').eq_ignore_ascii_case(size)
        })
        .collect()
}

/// `text` in backticks, cut if it is very long, with what a terminal would not show spelled out.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let cut: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}

#[cfg(test)]
mod tests {
    use super::{BINARY, DECIMAL, LONGEST, MOST_BINARY, Quantity};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    fn read(text: &str) -> Quantity {
        Quantity::parse(text).expect(text)
    }

    fn nanos(text: &str) -> i128 {
        read(text).nanos()
    }

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, value) in [
            ("0", 0),
            ("0Ki", 0),
            ("00.00", 0),
            ("-0", 0),
            ("+1", 1_000_000_000),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("1.G", 1_000_000_000_000_000_000),
            ("5n", 5),
            ("4u", 4_000),
            ("1500m", 1_500_000_000),
            ("0.0005k", 500_000_000),
            ("1k", 1_000_000_000_000),
            ("1Ki", 1_024_000_000_000),
            ("0.5Mi", 524_288_000_000_000),
            ("0.025Ti", 27_487_790_694_400_000_000),
            ("1e3", 1_000_000_000_000),
            ("1E+3", 1_000_000_000_000),
            ("1E-3", 1_000_000),
            ("0.5e-2", 5_000_000),
            ("1E", 1_000_000_000_000_000_000_000_000_000),
            ("-1.5Gi", -1_610_612_736_000_000_000),
            ("0e30000", 0),
        ] {
            assert_eq!(nanos(text), value, "{text}");
        }
    }

    #[test]
    fn rounds_away_from_zero_what_is_finer_than_a_billionth() {
        for (text, value) in [
            ("3.001n", 4),
            ("-3.001n", -4),
            ("0.9n", 1),
            ("1.1E-9", 2),
            ("1e-30000", 1),
            ("0.0000000001", 1),
            ("0.00000012345", 124),
            ("0.000000000001Ki", 2),
            ("0.000000001Ki", 1024),
            ("0.0000000000000000000000000000000000000001Ei", 1),
            ("1.0000000000000000000000000000000000000000", 1_000_000_000),
        ] {
            assert_eq!(nanos(text), value, "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_an_error() {
        assert_eq!(nanos("9223372036854775807"), i128::from(i64::MAX) * 1_000_000_000);
        assert_eq!(nanos("100000000000E"), 10i128.pow(38));
        assert_eq!(nanos("7Ei"), (7 << 60) * 1_000_000_000);
        for (text, reason) in [
            ("8Ei", "`8Ei` is over 2^63-1, where Kubernetes cuts binary quantities off"),
            ("-8Ei", "`-8Ei` is over 2^63-1, where Kubernetes cuts binary quantities off"),
            ("1000000000000E", "`1000000000000E` is too large to count"),
            ("1e30000", "`1e30000` is too large to count"),
            ("1e99999", "the exponent of `1e99999` is out of range"),
        ] {
            assert_eq!(Quantity::parse(text).map_err(|bad| bad.reason), Err(reason.to_owned()));
        }
        assert!(Quantity::parse(&format!("{}Ki", "9".repeat(LONGEST - 2))).is_err());
        assert!(Quantity::parse(&"9".repeat(1 << 20)).unwrap_err().reason.len() < 100);
    }

    #[test]
    fn says_what_is_wrong_and_what_was_meant() {
        let suffix = |text: &str, suffix: &str| {
            format!("`{text}` ends in `{suffix}`, which is no suffix of Kubernetes")
        };
        for (text, reason, help) in [
            ("", "the quantity is empty".to_owned(), ""),
            ("  ", "the quantity is empty".to_owned(), ""),
            ("4GB", suffix("4GB", "GB"), "write `4G` or `4Gi`"),
            ("512mb", suffix("512mb", "mb"), "write `512M` or `512Mi`"),
            ("4 GiB", "`4 GiB` has a blank in it".to_owned(), "write `4Gi`"),
            ("1 Gi", "`1 Gi` has a blank in it".to_owned(), "write `1Gi`"),
            ("1 ", "`1 ` has a blank in it".to_owned(), "write `1`"),
            ("2gi", suffix("2gi", "gi"), "write `2Gi`"),
            ("1K", suffix("1K", "K"), "write `1k` or `1Ki`"),
            ("1i", suffix("1i", "i"), ""),
            ("0.1mi", suffix("0.1mi", "mi"), "write `0.1Mi`"),
            ("1e", suffix("1e", "e"), "write `1E` or `1Ei`"),
            ("-3e-", suffix("-3e-", "e-"), ""),
            ("1e3k", suffix("1e3k", "e3k"), ""),
            ("2 cores", "`2 cores` has a blank in it".to_owned(), "write `2`"),
            ("1024B", suffix("1024B", "B"), "write `1024`"),
            ("5µ", suffix("5µ", "µ"), "write `5u`"),
            ("1,5", "`1,5` has a decimal comma".to_owned(), "write `1.5`"),
            ("1,5 GB", "`1,5 GB` has a blank in it".to_owned(), "write `1.5G` or `1.5Gi`"),
            ("1,024Mi", "`1,024Mi` has a decimal comma".to_owned(), "write `1024Mi` or `1.024Mi`"),
            ("1,000,000", "`1,000,000` has a decimal comma".to_owned(), "write `1000000`"),
            ("1_000", suffix("1_000", "_000"), "write `1000`"),
            ("1.1.M", "`1.1.M` has more than one point".to_owned(), ""),
            ("1+1.0M", suffix("1+1.0M", "+1.0M"), ""),
            ("Gi", "`Gi` does not begin with a number".to_owned(), ""),
            (".", "`.` does not begin with a number".to_owned(), ""),
            ("-", "`-` does not begin with a number".to_owned(), ""),
            ("--1", "`--1` does not begin with a number".to_owned(), ""),
        ] {
            let bad = Quantity::parse(text).expect_err(text);
            assert_eq!(
                (bad.reason.as_str(), bad.help().unwrap_or_default()),
                (reason.as_str(), help.to_owned())
            );
        }
    }

    #[test]
    fn shows_the_shortest_spelling() {
        for (text, shown) in [
            ("17179869184", "16Gi"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("500M", "500M"),
            ("10G", "10G"),
            ("1.5", "1500m"),
            ("0.1", "100m"),
            ("-2", "-2"),
            ("1e3", "1k"),
            ("2048", "2Ki"),
            ("1025", "1025"),
            ("0", "0"),
            ("3n", "3n"),
            ("1000E", "1000E"),
        ] {
            assert_eq!(read(text).to_string(), shown);
        }
        // Over 2^63-1 the binary spelling would not parse.
        assert_eq!(read("4Ei").saturating_add(read("4Ei")).to_string(), "9223372036854775808");
        for (text, shown) in [("2", "2"), ("1.5", "1500m"), ("1k", "1000"), ("1024", "1024"), ("1e-6", "1u")]
        {
            assert_eq!(read(text).as_cpu(), shown);
        }
    }

    #[test]
    fn arithmetic_does_not_overflow() {
        let most = Quantity::from_nanos(i128::MAX);
        assert_eq!(most.checked_add(read("1n")), None);
        assert_eq!(most.saturating_add(read("1n")), most);
        assert_eq!(most.checked_times(2), None);
        assert_eq!(most.saturating_times(u64::MAX), most);
        assert_eq!(read("-1").saturating_sub(most).saturating_sub(most), Quantity::from_nanos(i128::MIN));
        assert_eq!(Quantity::from_integer(i64::MIN).to_string(), "-9223372036854775808");
        assert_eq!(read("1500m").checked_times(4), Some(Quantity::from_integer(6)));
        assert_eq!(read("1Gi").checked_add(read("512Mi")), Some(read("1.5Gi")));
        assert!(read("-1n").is_negative() && !Quantity::ZERO.is_negative());
        assert!(read("500M") < read("500Mi"));
    }

    /// Texts that are nearly quantities.
    fn near_misses() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[+-]?[0-9]{0,30}[.,_ ]?[0-9]{0,30} ?[eEinumkKMGTPbB]{0,3}[+-]?[0-9]{0,5}"
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_suggested_parses(text in near_misses()) {
            if let Err(bad) = Quantity::parse(&text) {
                prop_assert!(bad.suggestions.iter().all(|meant| Quantity::parse(meant).is_ok()));
            }
        }

        #[test]
        fn survives_being_written(nanos: i128, cut in 0u32..128) {
            let quantity = Quantity::from_nanos(nanos >> cut);
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
            prop_assert_eq!(Quantity::parse(&quantity.as_cpu()), Ok(quantity));
        }

        #[test]
        fn binary_sizes_survive_being_written(count: u16, power in 1u32..=4) {
            let quantity = Quantity::from_nanos(i128::from(count) * (1_000_000_000 << (10 * power)));
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        }

        #[test]
        fn is_the_product_of_number_and_unit(digits in 0i128..10_000_000_000, places in 0usize..=10, unit in 0usize..16) {
            let (suffix, unit) = DECIMAL.iter().chain(&BINARY[1..]).copied().nth(unit).unwrap_or(BINARY[1]);
            let padded = format!("{digits:011}");
            let (whole, fraction) = padded.split_at(11 - places);
            let product = digits * unit;
            let ten = 10i128.pow(u32::try_from(places).unwrap());
            let expected = product / ten + i128::from(product % ten != 0);
            let parsed = Quantity::parse(&format!("{whole}.{fraction}{suffix}")).ok();
            let cut_off = suffix.ends_with('i') && expected > MOST_BINARY;
            prop_assert_eq!(parsed, (!cut_off).then_some(Quantity::from_nanos(expected)));
        }
    }
}
