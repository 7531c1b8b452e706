//! The predicates, functions and aggregates that exist.

/// Predicates. Comparison is numeric over integers, floats and times, by code point over texts, by byte over bytes, by id over
/// references; values of different kinds are unequal and unordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `<`, two or more arguments.
    Less,
    /// `<=`, two or more arguments.
    LessOrEqual,
    /// `>`, two or more arguments.
    Greater,
    /// `>=`, two or more arguments.
    GreaterOrEqual,
    /// `=`, `==`, two or more arguments.
    Equal,
    /// `!=`, `not=`, two or more arguments: not all equal.
    NotEqual,
    /// `starts-with?`: two texts.
    StartsWith,
    /// `ends-with?`: two texts.
    EndsWith,
    /// `contains?`, `includes?`: two texts.
    Contains,
    /// SQL's `LIKE` (`%`, `_`, backslash escapes): text and pattern. From nested JSON queries.
    Like,
    /// The same without regard to case (Unicode lower case on both sides).
    LikeIgnoringCase,
    /// `even?`: an integer.
    Even,
    /// `odd?`: an integer.
    Odd,
    /// `zero?`: a number.
    Zero,
    /// `pos?`: a number.
    Positive,
    /// `neg?`: a number.
    Negative,
}

impl Compare {
    /// Every name that queries may use, with the predicate.
    pub const NAMES: &[(&str, Self)] = &[
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("not=", Self::NotEqual),
        ("starts-with?", Self::StartsWith),
        ("ends-with?", Self::EndsWith),
        ("contains?", Self::Contains),
        ("includes?", Self::Contains),
        ("like?", Self::Like),
        ("ilike?", Self::LikeIgnoringCase),
        ("even?", Self::Even),
        ("odd?", Self::Odd),
        ("zero?", Self::Zero),
        ("pos?", Self::Positive),
        ("neg?", Self::Negative),
    ];

    /// Least and greatest number of arguments.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Equal
            | Self::NotEqual => (2, 16),
            Self::StartsWith
            | Self::EndsWith
            | Self::Contains
            | Self::Like
            | Self::LikeIgnoringCase => (2, 2),
            Self::Even | Self::Odd | Self::Zero | Self::Positive | Self::Negative => (1, 1),
        }
    }
}

/// Functions of bound arguments with at most one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `+`, one or more numbers. Integers stay integers; with a time the result is a time.
    Add,
    /// `-`, one (negation) or more numbers. The difference of two times is an integer of milliseconds.
    Subtract,
    /// `*`, one or more numbers.
    Multiply,
    /// `/`, two numbers: an integer if both are and it divides evenly, else a float.
    Divide,
    /// `quot`, two integers, towards zero.
    Quotient,
    /// `rem`, two integers, sign of the first.
    Remainder,
    /// `mod`, two integers, sign of the second.
    Modulo,
    /// `inc`
    Increment,
    /// `dec`
    Decrement,
    /// `abs`
    Absolute,
    /// `max` of two or more values of one kind.
    Max,
    /// `min` of two or more values of one kind.
    Min,
    /// `identity`, and `ground` of one value.
    Identity,
    /// `str`: all arguments as text, joined.
    Text,
    /// `count`: characters of a text, bytes of bytes.
    Length,
    /// `lower-case`
    LowerCase,
    /// `upper-case`
    UpperCase,
}

impl Function {
    /// Every name that queries may use, with the function.
    pub const NAMES: &[(&str, Self)] = &[
        ("+", Self::Add),
        ("-", Self::Subtract),
        ("*", Self::Multiply),
        ("/", Self::Divide),
        ("quot", Self::Quotient),
        ("rem", Self::Remainder),
        ("mod", Self::Modulo),
        ("inc", Self::Increment),
        ("dec", Self::Decrement),
        ("abs", Self::Absolute),
        ("max", Self::Max),
        ("min", Self::Min),
        ("identity", Self::Identity),
        ("str", Self::Text),
        ("count", Self::Length),
        ("lower-case", Self::LowerCase),
        ("upper-case", Self::UpperCase),
    ];

    /// Least and greatest number of arguments.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Max | Self::Min | Self::Text => {
                (1, 16)
            }
            Self::Divide | Self::Quotient | Self::Remainder | Self::Modulo => (2, 2),
            Self::Increment
            | Self::Decrement
            | Self::Absolute
            | Self::Identity
            | Self::Length
            | Self::LowerCase
            | Self::UpperCase => (1, 1),
        }
    }
}

/// Aggregates over the set of distinct rows of all find and `:with` variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many rows.
    Count,
    /// How many different values.
    CountDistinct,
    /// The different values.
    Distinct,
    /// Sum of numbers: an integer if all are, else a float. Other values count as nothing.
    Sum,
    /// Mean as a float; of times a time.
    Average,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// The n smallest, smallest first.
    MinN(u32),
    /// The n largest, largest first.
    MaxN(u32),
    /// The middle value, or the mean of the two middle ones.
    Median,
    /// Population variance, a float.
    Variance,
    /// Population standard deviation, a float.
    Deviation,
}

impl std::fmt::Display for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::CountDistinct => "count-distinct",
            Self::Distinct => "distinct",
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::MinN(n) => return write!(f, "min {n}"),
            Self::MaxN(n) => return write!(f, "max {n}"),
            Self::Median => "median",
            Self::Variance => "variance",
            Self::Deviation => "stddev",
        })
    }
}

impl Aggregate {
    /// Every name that queries may use.
    pub const NAMES: &[&str] = &[
        "count",
        "count-distinct",
        "distinct",
        "sum",
        "avg",
        "min",
        "max",
        "median",
        "variance",
        "stddev",
    ];

    /// The aggregate with this name; `n` is only allowed for `min` and `max`.
    pub fn named(name: &str, n: Option<u64>) -> Option<Self> {
        Some(match (name, n) {
            ("count", None) => Self::Count,
            ("count-distinct", None) => Self::CountDistinct,
            ("distinct", None) => Self::Distinct,
            ("sum", None) => Self::Sum,
            ("avg", None) => Self::Average,
            ("min", None) => Self::Min,
            ("max", None) => Self::Max,
            ("min", Some(n)) => Self::MinN(u32::try_from(n).ok()?),
            ("max", Some(n)) => Self::MaxN(u32::try_from(n).ok()?),
            ("median", None) => Self::Median,
            ("variance", None) => Self::Variance,
            ("stddev", None) => Self::Deviation,
            _ => return None,
        })
    }
}
