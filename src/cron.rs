//! Cron schedules, as Kubernetes, Velero and Argo CD (all by robfig/cron) and VolSync read them.

use crate::duration::seconds;

/// The fields in order: what each is called, and its lowest and highest number.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 6),
];

const WORDS: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Whether a schedule of five fields, or a word such as `@daily`, can be read: as VolSync does.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn parse(text: &str) -> Result<(), String> {
    if text.starts_with('@') {
        let known = WORDS.contains(&text);
        return known.then_some(()).ok_or_else(|| format!("known words are {}", WORDS.join(", ")));
    }
    parse_fields(text)
}

/// Whether five fields can be read: Argo CD's windows know no words (`SyncWindow.Validate`).
///
/// # Errors
///
/// What is wrong with them, as the end of a sentence.
pub fn parse_fields(text: &str) -> Result<(), String> {
    if text.starts_with('@') {
        return Err("words are not known here, only five fields".to_owned());
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("it has {} fields, and a schedule has five", fields.len()));
    }
    FIELDS
        .iter()
        .zip(fields)
        .try_for_each(|(field, text)| text.split(',').try_for_each(|part| check_part(*field, part)))
}

/// The same as [`parse`], where `@every 1h30m` is read, too: by Kubernetes and Velero.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn parse_or_interval(text: &str) -> Result<(), String> {
    match text.strip_prefix("@every ") {
        Some(interval) if seconds(interval).is_some_and(|seconds| seconds >= 1.0) => Ok(()),
        Some(interval) => Err(format!("`{interval}` is no duration of a second or more, such as `1h30m`")),
        None => parse(text),
    }
}

fn check_part((name, least, most): (&str, u32, u32), part: &str) -> Result<(), String> {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if let Some(step) = step
        && !step.parse::<u32>().is_ok_and(|step| step > 0)
    {
        return Err(format!("`{step}` is no step for the {name}"));
    }
    if range == "*" || range == "?" {
        return Ok(());
    }
    let (first, last) = range.split_once('-').map_or((range, None), |(first, last)| (first, Some(last)));
    let number = |text: &str| {
        let number = number(name, text).filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("the {name} is {least} to {most}, not `{text}`"))
    };
    let first = number(first)?;
    match last.map(number).transpose()? {
        Some(last) if last < first => Err(format!("`{range}` runs backwards")),
        _ => Ok(()),
    }
}

/// Whether a schedule that can be read never comes: no month that it names has a day that it names.
pub fn never(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_, _, days, months, weekday] = fields.as_slice() else { return false };
    // With a day of the week, either of the two days will do.
    if parse(text).is_err() || !["*", "?"].contains(weekday) {
        return false;
    }
    let numbers = |field: usize, text: &str| -> Vec<u32> {
        text.split(',').flat_map(|part| covered(FIELDS[field], part)).collect()
    };
    let (days, months) = (numbers(2, days), numbers(3, months));
    let longest = months.iter().map(|month| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    });
    let (first, longest) = (days.iter().min(), longest.max());
    first.zip(longest).is_some_and(|(first, longest)| *first > longest)
}

/// A schedule that can be read, in the form that VolSync takes: words, names, and lists of ranges spelled out as
/// numbers. What cannot be read stays as it is.
pub fn spelled_out(text: &str) -> String {
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields.as_slice() {
        _ if parse(text).is_err() => text.to_owned(),
        ["@midnight"] => "@daily".to_owned(),
        [_] => text.trim().to_owned(),
        _ => {
            let fields = FIELDS.iter().zip(fields).map(|(field, text)| spell_field(*field, text));
            fields.collect::<Vec<_>>().join(" ")
        }
    }
}

fn spell_field(field: (&str, u32, u32), text: &str) -> String {
    if text == "?" {
        return "*".to_owned();
    }
    let (first, step) = text.split_once('/').unwrap_or((text, "1"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let range = text.split_once('-').is_some_and(|(first, last)| digits(first) && digits(last));
    if range || (digits(step) && (first == "*" || digits(first))) {
        return text.to_owned();
    }
    let mut numbers: Vec<u32> = text.split(',').flat_map(|part| covered(field, part)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(",")
}

/// The numbers that a part of a field stands for.
fn covered((name, least, most): (&str, u32, u32), part: &str) -> Vec<u32> {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, step.parse().ok()));
    let (first, last) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (Some(least), Some(most)),
        Some((first, last)) => (number(name, first), number(name, last)),
        None if step.is_some() => (number(name, range), Some(most)),
        None => (number(name, range), number(name, range)),
    };
    match (first, last) {
        (Some(first), Some(last)) => {
            (first..=last.min(most)).step_by(step.map_or(1, |step: usize| step.max(1))).collect()
        }
        _ => Vec::new(),
    }
}

/// A number, or the name of a month or day.
fn number(field: &str, text: &str) -> Option<u32> {
    let names = match field {
        "month" => MONTHS,
        "day of the week" => DAYS,
        _ => &[],
    };
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
    u32::try_from(named).ok().map(|at| at + u32::from(field == "month"))
}

#[cfg(test)]
mod tests {
    use super::{never, parse, spelled_out};

    #[test]
    fn schedules_that_can_be_read() {
        for text in ["0 3 * * *", "*/15 * * * *", "5,35 0-6/2 1 jan-mar MON-fri", "@daily", " 0  0 * * 6 "] {
            assert_eq!(parse(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn schedules_that_cannot() {
        for (text, why) in [
            ("", "0 fields"),
            ("0 3 * *", "4 fields"),
            ("60 * * * *", "the minute is 0 to 59, not `60`"),
            ("0 24 * * *", "the hour is 0 to 23"),
            ("0 0 0 * *", "day of the month is 1 to 31"),
            ("*/0 * * * *", "no step"),
            ("0 6-3 * * *", "runs backwards"),
            ("0 0 * * foo", "not `foo`"),
            ("0 0 * * 7", "the day of the week is 0 to 6, not `7`"),
            ("@nightly", "known words"),
            ("0 0 * -1 *", "not ``"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn days_that_no_month_has() {
        assert!(never("0 3 31 2 *") && never("0 3 30,31 feb ?") && never("0 0 31 4,6,9,11 *"));
        for text in ["0 3 29 2 *", "0 3 31 2 1", "0 3 31 2,3 *", "0 3 * 2 *", "@daily", "x", "0 3 1-31 2 *"] {
            assert!(!never(text), "{text}");
        }
    }

    #[test]
    fn schedules_in_numbers() {
        for (text, spelled) in [
            ("0 3 * * *", "0 3 * * *"),
            (" */15  0,12 1-5 * 5 ", "*/15 0,12 1-5 * 5"),
            ("5/20 3 ? * MON-fri", "5/20 3 * * 1,2,3,4,5"),
            ("*/15 0-4/2 * jan,Mar *", "*/15 0,2,4 * 1,3 *"),
            ("0 3 1-5,10 * sun", "0 3 1,2,3,4,5,10 * 0"),
            ("0 */8,3 * * *", "0 0,3,8,16 * * *"),
            ("@midnight", "@daily"),
            ("@weekly", "@weekly"),
            ("nonsense", "nonsense"),
            ("*/4000000000 * * * *", "*/4000000000 * * * *"),
        ] {
            assert_eq!(spelled_out(text), spelled, "{text}");
        }
    }
}
