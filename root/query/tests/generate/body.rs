//! Random clauses over typed variables.

use super::Random;
use super::data::{ATTRIBUTES, Type, cell};
use super::rules::Signature;

/// A variable in scope.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub of: Type,
}

/// Clauses under construction. Everything that only tests is put after everything that binds, for engines that evaluate in the
/// order of the text.
pub struct Body<'a> {
    pub random: &'a mut Random,
    pub entities: usize,
    pub rules: &'a [Signature],
    pub variables: Vec<Variable>,
    pub binding: Vec<String>,
    pub testing: Vec<String>,
    pub next: &'a mut usize,
    depth: usize,
    /// Without what DataScript 1.8 does not do: it does not compare the two places of `[?x "a" ?x]`.
    portable: bool,
}

impl<'a> Body<'a> {
    pub fn new(
        random: &'a mut Random,
        entities: usize,
        rules: &'a [Signature],
        next: &'a mut usize,
        depth: usize,
        portable: bool,
    ) -> Self {
        Self {
            random,
            entities,
            rules,
            variables: Vec::new(),
            binding: Vec::new(),
            testing: Vec::new(),
            next,
            depth,
            portable,
        }
    }

    pub fn text(&self) -> String {
        self.binding
            .iter()
            .chain(&self.testing)
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn fresh(&mut self, of: Type) -> Variable {
        *self.next += 1;
        Variable {
            name: format!("?{}{}", ["e", "n", "s"][of as usize], self.next),
            of,
        }
    }

    fn known(&mut self, of: Type) -> Option<Variable> {
        let all: Vec<Variable> = self
            .variables
            .iter()
            .filter(|v| v.of == of)
            .cloned()
            .collect();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    fn constant(&mut self, of: Type) -> String {
        cell(self.random, of, self.entities).written()
    }

    /// A term for a place that binds.
    fn place(&mut self, of: Type, new: usize) -> String {
        let roll = self.random.below(100);
        if roll < 5 {
            return self.constant(of);
        }
        if roll < 13 {
            return "_".into();
        }
        match self.known(of) {
            Some(v) if roll >= 13 + new => v.name,
            _ => {
                let v = self.fresh(of);
                self.variables.push(v.clone());
                v.name
            }
        }
    }

    pub fn pattern(&mut self) {
        let (name, of, _) = *self.random.pick(ATTRIBUTES);
        let e = self.place(Type::Entity, 20);
        if self.random.chance(5) {
            self.binding.push(format!("[{e} {name:?}]"));
            return;
        }
        let v = self.place(of, 60);
        let v = self.apart(v, of, std::slice::from_ref(&e));
        self.binding.push(format!("[{e} {name:?} {v}]"));
    }

    /// A variable that must not be one of these is replaced by another one that equals it.
    fn apart(&mut self, term: String, of: Type, from: &[String]) -> String {
        if !self.portable || !term.starts_with('?') || !from.contains(&term) {
            return term;
        }
        let other = self.fresh(of);
        self.testing.push(format!("[(= {} {term})]", other.name));
        self.variables.push(other.clone());
        other.name
    }

    /// An argument of a test or a function: known, or a constant.
    fn argument(&mut self, of: Type) -> String {
        match self.known(of) {
            Some(v) if self.random.chance(70) => v.name,
            _ => self.constant(of),
        }
    }

    fn predicate(&mut self) {
        let of = *self
            .random
            .pick(&[Type::Integer, Type::Integer, Type::Text, Type::Entity]);
        let Some(first) = self.known(of) else { return };
        let mut second = self.argument(of);
        if self.portable && second == first.name {
            second = self.constant(of);
        }
        let op = match of {
            Type::Integer => *self
                .random
                .pick(&["<", "<=", ">", ">=", "=", "!=", "even?", "odd?"]),
            Type::Text => *self.random.pick(&[
                "=",
                "!=",
                "clojure.string/starts-with?",
                "clojure.string/ends-with?",
                "clojure.string/includes?",
                "<",
                ">=",
            ]),
            Type::Entity => *self.random.pick(&["=", "!=", "!=", "!="]),
        };
        let test = match op {
            "even?" | "odd?" => format!("[({op} {})]", first.name),
            "<" | "<=" if of == Type::Integer && self.random.chance(20) => {
                let third = self.argument(of);
                format!("[({op} {} {second} {third})]", first.name)
            }
            _ if self.random.chance(30) && !op.contains('/') => {
                format!("[({op} {second} {})]", first.name)
            }
            _ => format!("[({op} {} {second})]", first.name),
        };
        self.testing.push(test);
    }

    fn function(&mut self) {
        let Some(first) = self.known(Type::Integer) else {
            return;
        };
        let mut second = self.argument(Type::Integer);
        if self.portable && second == first.name {
            second = self.constant(Type::Integer);
        }
        let call = match *self.random.pick(&[
            "+", "-", "*", "quot", "rem", "mod", "inc", "dec", "max", "min", "identity",
        ]) {
            op @ ("inc" | "dec" | "identity") => format!("({op} {})", first.name),
            // small results stay exact in engines whose only number is a float, and no divisor is zero
            "*" => format!("(* {} {})", first.name, 1 + self.random.below(3)),
            op @ ("quot" | "rem" | "mod") => {
                format!("({op} {} {})", first.name, 2 + self.random.below(5))
            }
            op => format!("({op} {} {second})", first.name),
        };
        // now and then the result must equal something known
        let out = match self.known(Type::Integer) {
            Some(v)
                if self.random.chance(30)
                    && !(self.portable && [&first.name, &second].contains(&&v.name)) =>
            {
                v
            }
            _ => {
                let v = self.fresh(Type::Integer);
                self.variables.push(v.clone());
                v
            }
        };
        self.binding.push(format!("[{call} {}]", out.name));
    }

    fn ground(&mut self) {
        let of = *self.random.pick(if self.portable {
            &[Type::Integer, Type::Text][..]
        } else {
            &[Type::Integer, Type::Text, Type::Entity]
        });
        let v = self.fresh(of);
        let all: Vec<String> = (0..1 + self.random.below(3))
            .map(|_| self.constant(of))
            .collect();
        self.binding.push(match self.random.below(2) {
            0 => format!("[(ground [{}]) [{} ...]]", all.join(" "), v.name),
            _ => format!("[(ground {}) {}]", all[0], v.name),
        });
        self.variables.push(v);
    }

    fn get_else(&mut self) {
        let Some(e) = self.known(Type::Entity) else {
            return;
        };
        let (name, of) = *self
            .random
            .pick(&[("n/size", Type::Integer), ("s/kind", Type::Text)]);
        let default = self.constant(of);
        let v = self.fresh(of);
        self.binding.push(format!(
            "[(get-else $ {} {name:?} {default}) {}]",
            e.name, v.name
        ));
        self.variables.push(v);
    }

    fn missing(&mut self) {
        let Some(e) = self.known(Type::Entity) else {
            return;
        };
        let (name, ..) = *self.random.pick(ATTRIBUTES);
        self.testing
            .push(format!("[(missing? $ {} {name:?})]", e.name));
    }

    fn attribute_variable(&mut self) {
        let Some(e) = self.known(Type::Entity) else {
            return;
        };
        *self.next += 1;
        let n = *self.next;
        // the value's type is unknown, so nothing else may use it; the attribute's name is text
        let attribute = Variable {
            name: format!("?s{n}"),
            of: Type::Text,
        };
        let v = if self.random.chance(50) {
            "_".to_owned()
        } else {
            self.constant(Type::Text)
        };
        self.binding
            .push(format!("[{} {} {v}]", e.name, attribute.name));
        self.variables.push(attribute);
    }

    fn inner(&mut self, clauses: usize, keep: &[Variable]) -> String {
        let (binding, testing, variables) = (
            std::mem::take(&mut self.binding),
            std::mem::take(&mut self.testing),
            std::mem::replace(&mut self.variables, keep.to_vec()),
        );
        self.depth += 1;
        for _ in 0..clauses {
            self.clause();
        }
        self.depth -= 1;
        let text = self.text();
        self.binding = binding;
        self.testing = testing;
        self.variables = variables;
        text
    }

    fn not(&mut self) {
        let Some(v) = self
            .random
            .chance(90)
            .then(|| self.variables.clone())
            .filter(|v| !v.is_empty())
        else {
            return;
        };
        let shared = self.random.pick(&v).clone();
        let n = 1 + self.random.below(2);
        let mut body = self.mentioning(&shared);
        let more = if n > 1 {
            self.inner(1, std::slice::from_ref(&shared))
        } else {
            String::new()
        };
        body = format!("{body} {more}");
        if self.random.chance(30) {
            self.testing
                .push(format!("(not-join [{}] {body})", shared.name));
        } else {
            self.testing.push(format!("(not {body})"));
        }
    }

    /// A pattern that binds the variable and nothing else that is in sight.
    fn mentioning(&mut self, v: &Variable) -> String {
        let fits: Vec<_> = ATTRIBUTES.iter().filter(|(_, of, _)| *of == v.of).collect();
        if v.of == Type::Entity && self.random.chance(60) {
            let (name, of, _) = *self.random.pick(ATTRIBUTES);
            let value = if self.random.chance(40) {
                self.constant(of)
            } else {
                "_".into()
            };
            return format!("[{} {name:?} {value}]", v.name);
        }
        let (name, ..) = **self.random.pick(&fits);
        let e = if self.random.chance(20) {
            self.constant(Type::Entity)
        } else {
            "_".into()
        };
        format!("[{e} {name:?} {}]", v.name)
    }

    fn or(&mut self) {
        let of = *self.random.pick(&[Type::Entity, Type::Integer, Type::Text]);
        let v = match self.known(of) {
            Some(v) if self.random.chance(60) => v,
            _ => self.fresh(of),
        };
        let n = 1 + self.random.below(3);
        let join = self.random.chance(40);
        let mut branches = Vec::new();
        for _ in 0..n {
            let first = self.mentioning(&v);
            branches.push(match self.random.below(3) {
                0 => format!("(and {first} {})", self.mentioning(&v)),
                1 if join => {
                    let more = self.inner(1, std::slice::from_ref(&v));
                    format!("(and {first} {more})")
                }
                _ => first,
            });
        }
        let branches = branches.join(" ");
        self.binding.push(if join {
            format!("(or-join [{}] {branches})", v.name)
        } else {
            format!("(or {branches})")
        });
        if !self.variables.iter().any(|k| k.name == v.name) {
            self.variables.push(v);
        }
    }

    pub fn call(&mut self) {
        if self.rules.is_empty() {
            return;
        }
        let rule = self.random.pick(self.rules).clone();
        let mut arguments: Vec<String> = Vec::new();
        for of in &rule.arguments {
            let mut term = self.place(*of, 30);
            // DataScript puts what a call says in place of the head's variable: `_` would no longer join
            while self.portable && !term.starts_with('?') {
                term = self.place(*of, 30);
            }
            let term = self.apart(term, *of, &arguments);
            arguments.push(term);
        }
        self.binding
            .push(format!("({} {})", rule.name, arguments.join(" ")));
    }

    pub fn clause(&mut self) {
        let deep = self.depth > 0;
        match self.random.below(100) {
            55..66 => self.predicate(),
            66..71 => self.function(),
            71..74 => self.ground(),
            74..77 => self.get_else(),
            77..79 => self.missing(),
            79..82 => self.attribute_variable(),
            82..89 if !deep => self.not(),
            89..94 if !deep => self.or(),
            94..100 if !deep => self.call(),
            // more than half
            _ => self.pattern(),
        }
    }
}
