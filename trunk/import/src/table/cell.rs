//! Cells into values.

use rhizome_schema::ValueType;
use rhizome_tuple::Value;

use super::mapping::Column;
use crate::time::{by_pattern, parse_time};

/// Reads one cell as the column says. References and files are the caller's.
///
/// # Errors
/// What the cell is not, for a person.
pub fn read(cell: &str, column: &Column) -> Result<Value, String> {
    let wrong = |what: &str| {
        let shown: String = cell.chars().take(80).collect();
        format!("{shown:?} is not {what}")
    };
    let trimmed = cell.trim();
    match column.value_type {
        ValueType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Boolean(true)),
            "false" | "no" | "0" => Ok(Value::Boolean(false)),
            _ => Err(wrong("true or false")),
        },
        ValueType::Integer => trimmed
            .parse()
            .map(Value::Integer)
            .map_err(|_| wrong("a whole number of 64 bits")),
        ValueType::Float => {
            let number = trimmed.parse().ok().and_then(|x| Value::float(x).ok());
            number.ok_or_else(|| wrong("a finite number"))
        }
        ValueType::Time => {
            let format = column.format.as_deref().unwrap_or("rfc3339");
            [format]
                .into_iter()
                .chain(column.formats.iter().map(String::as_str))
                .find_map(|format| time(trimmed, format))
                .map(Value::Time)
                .ok_or_else(|| wrong(&format!("a time of the form {format}")))
        }
        _ => Ok(Value::from(cell)),
    }
}

/// Milliseconds since 1970 of a time written in `format`.
pub fn time(text: &str, format: &str) -> Option<i64> {
    match format {
        "rfc3339" => parse_time(text),
        "unix" => seconds(text),
        "unix-ms" => text.parse().ok(),
        pattern => by_pattern(text, pattern),
    }
}

/// Seconds since 1970, with or without a fraction.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1_000);
    }
    let ms = text.parse::<f64>().ok()? * 1_000.0;
    (ms.abs() < 9e15).then_some(ms.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_many_forms() {
        for (text, format, ms) in [
            ("1970-01-02T00:00:00Z", "rfc3339", Some(86_400_000)),
            ("86400", "unix", Some(86_400_000)),
            ("1.5", "unix", Some(1_500)),
            ("1500", "unix-ms", Some(1_500)),
            ("1970-01-02", "%Y-%m-%d", Some(86_400_000)),
            ("02/01/1970 01:00", "%d/%m/%Y %H:%M", Some(90_000_000)),
            ("1970-01-01 01:00:00 +0100", "%Y-%m-%d %H:%M:%S %z", Some(0)),
            (
                "1970-01-01 00:00:10 UTC",
                "%Y-%m-%d %H:%M:%S UTC",
                Some(10_000),
            ),
            ("yesterday", "rfc3339", None),
            ("9e99", "unix", None),
            ("9223372036854775807", "unix", None),
            ("31/02/2020", "%d/%m/%Y", None),
            ("x", "%", None),
        ] {
            assert_eq!(time(text, format), ms, "{text} as {format}");
        }
    }
}
