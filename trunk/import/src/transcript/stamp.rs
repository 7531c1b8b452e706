//! The moment at the start of a line, in the forms that phones of many countries write.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// A moment as it is written; which number is the day only the whole file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    numbers: [u32; 3],
    separator: char,
    /// Whether the first number has four digits, so it is the year.
    year_first: bool,
    /// Whether it stands in brackets.
    pub bracket: bool,
    hour: i8,
    minute: i8,
    second: Option<i8>,
    /// Whether it says forenoon or afternoon.
    half: bool,
}

/// Characters that only turn the direction of writing.
const MARKS: [char; 6] = [
    '\u{200e}', '\u{200f}', '\u{202a}', '\u{202c}', '\u{2068}', '\u{feff}',
];

/// Without marks of direction at its start.
pub fn unmark(text: &str) -> &str {
    text.trim_start_matches(MARKS)
}

fn number(text: &str, most: usize) -> Option<(u32, usize, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = text.get(..len).filter(|_| (1..=most).contains(&len))?;
    Some((digits.parse().ok()?, len, text.get(len..)?))
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\u{a0}', '\u{202f}'])
}

/// What a line that begins a message says, and the rest of it.
pub fn header(line: &str) -> Option<(Stamp, &str)> {
    let line = unmark(line);
    let (bracket, rest) = match line.strip_prefix('[') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (a, len, rest) = number(rest, 4)?;
    let separator = rest.chars().next().filter(|c| "./-".contains(*c))?;
    let (b, _, rest) = number(rest.strip_prefix(separator)?, 2)?;
    let (c, _, rest) = number(rest.strip_prefix(separator)?, 4)?;
    let rest = blank(rest.strip_prefix(',').unwrap_or(rest));
    let (hour, _, rest) = number(rest, 2)?;
    let (minute, two, rest) = number(rest.strip_prefix([':', '.'])?, 2)?;
    let (second, rest) = match rest
        .strip_prefix([':', '.'])
        .and_then(|rest| number(rest, 2))
    {
        Some((second, 2, rest)) => (Some(second), rest),
        _ => (None, rest),
    };
    let (half, rest) = half(rest);
    let rest = if bracket {
        blank(rest.strip_prefix(']')?)
    } else {
        blank(blank(rest).strip_prefix(['-', '–'])?)
    };
    let hour = match half {
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        _ => hour,
    };
    let small = |n: u32, under: u32| (n < under).then_some(n as i8);
    let stamp = Stamp {
        numbers: [a, b, c],
        separator,
        year_first: len == 4,
        bracket,
        hour: small(hour, 24)?,
        minute: small(minute, 60).filter(|_| two == 2)?,
        second: match second {
            Some(second) => Some(small(second, 60)?),
            None => None,
        },
        half: half.is_some(),
    };
    Some((stamp, rest))
}

/// `PM`, `p. m.` and the like: whether it is the afternoon.
fn half(text: &str) -> (Option<bool>, &str) {
    let rest = blank(text);
    let mut chars = rest.char_indices();
    let afternoon = match chars.next() {
        Some((_, 'a' | 'A')) => false,
        Some((_, 'p' | 'P')) => true,
        _ => return (None, text),
    };
    let mut seen = false;
    for (at, c) in chars {
        match c {
            'm' | 'M' if !seen => seen = true,
            '.' | ' ' | '\u{a0}' | '\u{202f}' if !seen => {}
            '.' => {}
            _ if seen => return (Some(afternoon), rest.get(at..).unwrap_or_default()),
            _ => return (None, text),
        }
    }
    (None, text)
}

/// Which number is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    YearMonthDay,
    DayMonthYear,
    MonthDayYear,
}

impl Stamp {
    /// Whether it is of the form `[2019-12-24, 12:23]`.
    pub fn is_iso_minute(&self) -> bool {
        let iso = self.year_first && self.separator == '-' && !self.half;
        self.bracket && iso && self.second.is_none()
    }

    fn date(&self, order: Order) -> (u32, u32, u32) {
        let [a, b, c] = self.numbers;
        match order {
            Order::YearMonthDay => (a, b, c),
            Order::DayMonthYear => (c, b, a),
            Order::MonthDayYear => (c, a, b),
        }
    }

    /// Milliseconds since 1970, as if its clock were of UTC: no file says where it hung. `None` for a day that is in no calendar.
    pub fn time(&self, order: Order) -> Option<i64> {
        let (year, month, day) = self.date(order);
        let year = if year < 100 { year + 2_000 } else { year };
        let small = |n: u32| i8::try_from(n).ok();
        let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
        let time = Time::new(self.hour, self.minute, self.second.unwrap_or(0), 0).ok()?;
        let zoned = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_millisecond())
    }
}

/// What all moments of a file say about their order.
#[derive(Debug, Default)]
pub struct Votes {
    year_first: u64,
    day_first: u64,
    month_first: u64,
    /// How often a message would be older than the one before it, day first and month first.
    falls: [u64; 2],
    last: [Option<(u32, u32, u32)>; 2],
    dots: bool,
    halves: bool,
}

impl Votes {
    pub fn take(&mut self, stamp: &Stamp) {
        let [a, b, _] = stamp.numbers;
        self.year_first += u64::from(stamp.year_first);
        self.day_first += u64::from(!stamp.year_first && a > 12);
        self.month_first += u64::from(!stamp.year_first && b > 12);
        let orders = [Order::DayMonthYear, Order::MonthDayYear];
        for ((order, last), falls) in orders.iter().zip(&mut self.last).zip(&mut self.falls) {
            let date = stamp.date(*order);
            *falls += u64::from(last.is_some_and(|last| date < last));
            *last = Some(date);
        }
        self.dots |= stamp.separator == '.';
        self.halves |= stamp.half;
    }

    /// The order, and whether the file leaves no doubt: a number over twelve is a day, messages come one after another; where
    /// neither tells, full stops are written where days come first, and halves of days where months do.
    pub fn order(&self) -> (Order, bool) {
        if self.year_first > 0 {
            return (Order::YearMonthDay, true);
        }
        if self.day_first != self.month_first {
            let order = if self.day_first > self.month_first {
                Order::DayMonthYear
            } else {
                Order::MonthDayYear
            };
            return (order, self.day_first == 0 || self.month_first == 0);
        }
        let [day, month] = self.falls;
        if day != month {
            let order = if day < month {
                Order::DayMonthYear
            } else {
                Order::MonthDayYear
            };
            return (order, true);
        }
        match (self.dots, self.halves) {
            (true, _) => (Order::DayMonthYear, true),
            (false, true) => (Order::MonthDayYear, false),
            (false, false) => (Order::DayMonthYear, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_many_countries_are_read() {
        let expected = Some(1_577_190_180_000);
        for (line, order) in [
            ("24/12/19, 12:23 - A: x", Order::DayMonthYear),
            ("12/24/19, 12:23 - A: x", Order::MonthDayYear),
            ("12/24/2019, 12:23 p. m. - A: x", Order::MonthDayYear),
            ("12/24/19, 12:23\u{202f}PM - A: x", Order::MonthDayYear),
            ("2019/12/24, 12:23 - A: x", Order::YearMonthDay),
            ("[2019-12-24, 12:23] A: x", Order::YearMonthDay),
            ("[12/24/19 12:23] A: x", Order::MonthDayYear),
            ("\u{200e}[24.12.19, 12:23:00] A: x", Order::DayMonthYear),
            ("24.12.2019 12.23 – A: x", Order::DayMonthYear),
        ] {
            let (stamp, rest) = header(line).unwrap();
            assert_eq!((stamp.time(order), rest), (expected, "A: x"), "{line}");
        }
        let (late, _) = header("1/2/20, 12:05 AM - A: x").unwrap();
        let (early, _) = header("1/2/20, 00:05 - A: x").unwrap();
        assert_eq!(
            late.time(Order::MonthDayYear),
            early.time(Order::MonthDayYear)
        );
        for line in [
            "",
            "A: x",
            "24/12/19",
            "24/12/19, 12:23 A: x",
            "24/12/19, 25:23 - A: x",
            "24/12/19, 12:2 - A: x",
            "24/12-19, 12:23 - A: x",
            "[24/12/19, 12:23 A: x",
            "123456/1/1, 12:23 - x",
            "24/12/19, 12:23 a",
        ] {
            assert_eq!(header(line), None, "{line}");
        }
        let (never, _) = header("31/02/2020, 10:00 - A: x").unwrap();
        assert_eq!(never.time(Order::DayMonthYear), None);
    }

    #[test]
    fn the_whole_file_tells_the_order() {
        let order = |lines: &[&str]| {
            let mut votes = Votes::default();
            for line in lines {
                votes.take(&header(&format!("{line}, 10:00 - A: x")).unwrap().0);
            }
            votes.order()
        };
        assert_eq!(
            order(&["01/02/20", "13/02/20"]),
            (Order::DayMonthYear, true)
        );
        assert_eq!(
            order(&["01/02/20", "02/13/20"]),
            (Order::MonthDayYear, true)
        );
        assert_eq!(
            order(&["05/01/20", "06/01/20", "01/02/20"]),
            (Order::DayMonthYear, true)
        );
        assert_eq!(
            order(&["01/05/20", "01/06/20", "02/01/20"]),
            (Order::MonthDayYear, true)
        );
        assert_eq!(order(&["01.02.20"]), (Order::DayMonthYear, true));
        assert_eq!(order(&["01/02/20"]), (Order::DayMonthYear, false));
        assert_eq!(order(&["2020/02/01"]), (Order::YearMonthDay, true));
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\[?[0-9]{0,5}[./-][0-9]{0,3}[./-][0-9]{0,5},? [0-9]{0,3}[:.][0-9]{0,3}\\PC{0,12}") {
            if let Some((stamp, _)) = header(&line) {
                let mut votes = Votes::default();
                votes.take(&stamp);
                stamp.time(votes.order().0);
            }
        }
    }
}
