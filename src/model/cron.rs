//! Schedules as Kubernetes reads them: the standard parser of robfig/cron v3, five fields or a word.

use crate::inventory::value::seconds;

/// One field of a schedule: what it counts, and from where to where.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The longest that each month can be.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const FIELDS: [Field; 5] = [
    Field { name: "minute", first: 0, last: 59, names: &[] },
    Field { name: "hour", first: 0, last: 23, names: &[] },
    Field { name: "day of the month", first: 1, last: 31, names: &[] },
    Field { name: "month", first: 1, last: 12, names: MONTHS },
    Field { name: "day of the week", first: 0, last: 6, names: DAYS },
];

const WORDS: &[&str] =
    &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Why Kubernetes refuses a schedule, or why it never comes.
pub fn fault(schedule: &str) -> Option<String> {
    if schedule.is_empty() {
        return Some("it is empty".to_owned());
    }
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        return Some("the time zone stands in `job.time-zone`".to_owned());
    }
    if schedule.starts_with('@') {
        return word_fault(schedule);
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} of five fields", fields.len()));
    }
    let mut sets = [0_u64; 5];
    for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip(&fields) {
        match read(field, text) {
            Ok(bits) => *set = bits,
            Err(reason) => return Some(format!("{}: {reason}", field.name)),
        }
    }
    never_comes(&fields, &sets).then(|| "no month that it names has such a day".to_owned())
}

fn word_fault(schedule: &str) -> Option<String> {
    if let Some(interval) = schedule.strip_prefix("@every ") {
        let known = seconds(interval).is_some_and(|seconds| seconds > 0.0);
        return (!known).then(|| format!("`{interval}` is no length of time"));
    }
    (!WORDS.contains(&schedule)).then(|| format!("the words are {}, @every 1h", WORDS.join(", ")))
}

/// The values of a field, one bit each. Empty items of a list count for nothing, as in the parser.
fn read(field: &Field, text: &str) -> Result<u64, String> {
    let mut bits = 0;
    for item in text.split(',').filter(|item| !item.is_empty()) {
        bits |= range(field, item)?;
    }
    if bits == 0 { Err("it names nothing".to_owned()) } else { Ok(bits) }
}

fn range(field: &Field, text: &str) -> Result<u64, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let bounds: Vec<&str> = parts[0].split('-').collect();
    let (first, mut last) = match bounds.as_slice() {
        ["*" | "?", ..] => (field.first, field.last),
        [only] => (value(field, only)?, value(field, only)?),
        [first, last] => (value(field, first)?, value(field, last)?),
        _ => return Err(format!("`{text}` has too many `-`")),
    };
    let step = match parts.as_slice() {
        [_] => 1,
        [_, step] => {
            if bounds.len() == 1 {
                last = field.last;
            }
            number(step)?
        }
        _ => return Err(format!("`{text}` has too many `/`")),
    };
    if first < field.first || last > field.last {
        return Err(format!("`{text}` is outside {} to {}", field.first, field.last));
    }
    if first > last {
        return Err(format!("`{text}` ends before it begins"));
    }
    if step == 0 {
        return Err(format!("`{text}` has a step of 0"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
}

fn value(field: &Field, text: &str) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match field.names.iter().position(|name| *name == lower) {
        Some(at) => Ok(field.first + at as u32),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or_else(|| format!("`{text}` is no number"))
}

/// Days of the month count alone where any day of the week will do: 30 February never comes.
fn never_comes(fields: &[&str], sets: &[u64; 5]) -> bool {
    let any_day = fields[4].split(',').any(|item| item.starts_with(['*', '?']) && !item.contains('/'));
    let mut months = LENGTHS.iter().zip(1_u32..).filter(|(_, month)| sets[3] & 1 << month != 0);
    any_day && !months.any(|(length, _)| (1..=*length).any(|day| sets[2] & 1 << day != 0))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_kubernetes_reads_is_read() {
        for schedule in [
            "0 3 * * *",
            "*/5 * * * *",
            "0-30/10,45 0 1,15 JAN-mar mon-FRI",
            "5/15 * ? * ?",
            "0 0 29 2 *",
            "0 0 31 2 1",
            "  0\t3  * * * ",
            "0 0 * * 0,6",
            "+1 * * * *",
            "1,,2 * * * *",
            "@daily",
            "@every 1h30m",
            "*-5 * * * *",
        ] {
            assert_eq!(fault(schedule), None, "{schedule}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for schedule in [
            "",
            "0 3 * *",
            "0 0 3 * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 7",
            "* * * * sunday",
            "5-1 * * * *",
            "1-2-3 * * * *",
            "*/0 * * * *",
            "*/5/5 * * * *",
            "-1 * * * *",
            "a * * * *",
            ", * * * *",
            "*/99999999999 * * * *",
            "@reboot",
            "@Daily",
            "@every",
            "@every 0s",
            "@every soon",
            "TZ=UTC 0 3 * * *",
            "CRON_TZ=UTC 0 3 * * *",
            "0 0 30 2 *",
            "0 0 31 4,6 *",
        ] {
            assert!(fault(schedule).is_some(), "{schedule}");
        }
    }
}
