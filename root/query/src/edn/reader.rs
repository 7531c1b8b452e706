//! Text to forms. Depth and length are bounded before anything is allocated.

use super::form::{Form, Kind};
use crate::error::{Position, QueryError};
use crate::limits::Limits;

/// Reads exactly one form and nothing after it.
pub fn read(text: &str, limits: &Limits) -> Result<Form, QueryError> {
    if text.len() > limits.text_bytes {
        return Err(Limits::exceeded("text_bytes", limits.text_bytes, None));
    }
    let mut reader = Reader {
        rest: text,
        at: Position { line: 1, column: 1 },
        nesting: limits.nesting,
    };
    let form = reader.form(0)?;
    reader.skip(0)?;
    match reader.peek() {
        None => Ok(form),
        Some(c) => Err(reader.wrong("the end of the text", &format!("`{c}`"))),
    }
}

struct Reader<'a> {
    rest: &'a str,
    at: Position,
    nesting: usize,
}

fn ends_atom(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';' | ',')
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn wrong(&self, expected: &str, found: &str) -> QueryError {
        QueryError::Syntax {
            at: self.at,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    /// White space, commas, `; comments` and `#_ discarded` forms.
    fn skip(&mut self, depth: usize) -> Result<(), QueryError> {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() || c == ',' => {
                    self.bump();
                }
                Some(';') => while self.bump().is_some_and(|c| c != '\n') {},
                Some('#') if self.rest.starts_with("#_") => {
                    self.bump();
                    self.bump();
                    self.form(depth + 1)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn form(&mut self, depth: usize) -> Result<Form, QueryError> {
        if depth > self.nesting {
            return Err(Limits::exceeded("nesting", self.nesting, Some(self.at)));
        }
        self.skip(depth)?;
        let at = self.at;
        let kind = match self.peek() {
            None => return Err(self.wrong("a form", "the end of the text")),
            Some('(') => Kind::List(self.items(')', depth)?),
            Some('[') => Kind::Vector(self.items(']', depth)?),
            Some('{') => {
                let items = self.items('}', depth)?;
                if items.len() % 2 != 0 {
                    let found = format!("{} forms", items.len());
                    return Err(QueryError::Syntax {
                        at,
                        expected: "a map with as many values as keys".into(),
                        found,
                    });
                }
                let mut pairs = Vec::with_capacity(items.len() / 2);
                let mut items = items.into_iter();
                while let (Some(k), Some(v)) = (items.next(), items.next()) {
                    pairs.push((k, v));
                }
                Kind::Map(pairs)
            }
            Some('"') => Kind::Text(self.text()?),
            Some('#') => {
                self.bump();
                let tag = self.atom().to_owned();
                if tag.is_empty() {
                    return Err(QueryError::Syntax {
                        at,
                        expected: "a tag such as #inst".into(),
                        found: "`#`".into(),
                    });
                }
                Kind::Tagged(tag, Box::new(self.form(depth + 1)?))
            }
            Some(c @ (')' | ']' | '}')) => {
                return Err(self.wrong("a form", &format!("`{c}` that closes nothing")));
            }
            Some(c @ ('\\' | '@' | '^' | '`' | '~' | '\'')) => {
                // a quoted query is what people paste from Clojure
                return Err(self.wrong("a form without reader macros", &format!("`{c}`")));
            }
            Some(_) => self.plain(at)?,
        };
        Ok(Form { kind, at })
    }

    fn items(&mut self, close: char, depth: usize) -> Result<Vec<Form>, QueryError> {
        let opened = self.at;
        self.bump();
        let mut out = Vec::new();
        loop {
            self.skip(depth)?;
            match self.peek() {
                Some(c) if c == close => {
                    self.bump();
                    return Ok(out);
                }
                Some(c @ (')' | ']' | '}')) => {
                    return Err(self.wrong(
                        &format!("`{close}` for the bracket opened at {opened}"),
                        &format!("`{c}`"),
                    ));
                }
                None => {
                    return Err(self.wrong(
                        &format!("`{close}` for the bracket opened at {opened}"),
                        "the end of the text",
                    ));
                }
                Some(_) => out.push(self.form(depth + 1)?),
            }
        }
    }

    fn text(&mut self) -> Result<String, QueryError> {
        let opened = self.at;
        self.bump();
        let mut out = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(out),
                Some('\\') => {
                    let at = self.at;
                    out.push(match self.bump() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(c @ ('"' | '\\' | '/')) => c,
                        Some('u') => self.unicode(at)?,
                        other => {
                            let found =
                                other.map_or("the end of the text".into(), |c| format!("`\\{c}`"));
                            return Err(QueryError::Syntax {
                                at,
                                expected: r#"one of \n \t \r \" \\ \uXXXX"#.into(),
                                found,
                            });
                        }
                    });
                }
                Some(c) => out.push(c),
                None => {
                    return Err(self.wrong(
                        &format!("`\"` for the string opened at {opened}"),
                        "the end of the text",
                    ));
                }
            }
        }
    }

    /// Four hexadecimal digits; a surrogate must be followed by its other half.
    fn unicode(&mut self, at: Position) -> Result<char, QueryError> {
        let wrong = |found: String| QueryError::Syntax {
            at,
            expected: "\\u and four hexadecimal digits of a character".into(),
            found,
        };
        let high = self.hex4().ok_or_else(|| wrong("something else".into()))?;
        if let Some(c) = char::from_u32(high) {
            return Ok(c);
        }
        if self.bump() != Some('\\') || self.bump() != Some('u') {
            return Err(wrong(format!("half a surrogate pair {high:04x}")));
        }
        let low = self.hex4().ok_or_else(|| wrong("something else".into()))?;
        char::decode_utf16([high as u16, low as u16])
            .next()
            .and_then(Result::ok)
            .ok_or_else(|| wrong(format!("the surrogates {high:04x} {low:04x}")))
    }

    fn hex4(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |n, _| Some(n * 16 + self.bump()?.to_digit(16)?))
    }

    fn atom(&mut self) -> &str {
        let whole = self.rest;
        while self.peek().is_some_and(|c| !ends_atom(c)) {
            self.bump();
        }
        &whole[..whole.len() - self.rest.len()]
    }

    fn plain(&mut self, at: Position) -> Result<Kind, QueryError> {
        let atom = self.atom();
        let wrong = |expected: &str| QueryError::Syntax {
            at,
            expected: expected.into(),
            found: format!("`{atom}`"),
        };
        let mut chars = atom.chars();
        let (first, second) = (chars.next(), chars.next());
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if digit(first) || (matches!(first, Some('+' | '-')) && digit(second)) {
            let body = atom.strip_suffix('N').unwrap_or(atom);
            if let Ok(i) = body.parse() {
                return Ok(Kind::Integer(i));
            }
            if atom.contains(['.', 'e', 'E'])
                && let Some(x) = atom
                    .strip_suffix('M')
                    .unwrap_or(atom)
                    .parse::<f64>()
                    .ok()
                    .filter(|x| x.is_finite())
            {
                return Ok(Kind::Float(x));
            }
            return Err(wrong("a 64-bit integer or a finite number"));
        }
        match atom {
            "nil" => Ok(Kind::Nil),
            "true" => Ok(Kind::Boolean(true)),
            "false" => Ok(Kind::Boolean(false)),
            _ => match atom.strip_prefix(':') {
                Some("") => Err(wrong("a keyword with a name")),
                Some(name) => Ok(Kind::Keyword(name.to_owned())),
                None => Ok(Kind::Symbol(atom.to_owned())),
            },
        }
    }
}
