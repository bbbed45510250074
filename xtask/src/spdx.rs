//! Licence expressions: `(MIT OR Apache-2.0) AND Unicode-3.0`.

/// Whether `expression` can be met with allowed licences only. `None` if it cannot be read.
///
/// A slash, the old form, means `OR`. A licence `WITH` an exception is one of its own.
pub(crate) fn is_met(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, is_allowed };
    let is_met = parser.any()?;
    parser.tokens.is_empty().then_some(is_met)
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    is_allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self) -> Option<bool> {
        let mut is_met = self.all()?;
        while self.take("OR") {
            is_met |= self.all()?;
        }
        Some(is_met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut is_met = self.one()?;
        while self.take("AND") {
            is_met &= self.one()?;
        }
        Some(is_met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let is_met = self.any()?;
            return self.take(")").then_some(is_met);
        }
        let (licence, rest) = self.tokens.split_first()?;
        if ["AND", "OR", "WITH", ")"].contains(licence) {
            return None;
        }
        self.tokens = rest;
        if !self.take("WITH") {
            return Some((self.is_allowed)(licence));
        }
        let (exception, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some((self.is_allowed)(&format!("{licence} WITH {exception}")))
    }
}

#[cfg(test)]
mod tests {
    use super::is_met;

    fn check(expression: &str, expected: Option<bool>) {
        let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
        let found = is_met(expression, &|licence| allowed.contains(&licence));
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn expressions_are_met_by_what_is_allowed() {
        check("MIT", Some(true));
        check("GPL-3.0", Some(false));
        check("MIT OR GPL-3.0", Some(true));
        check("GPL-3.0/MIT", Some(true));
        check("MIT AND GPL-3.0", Some(false));
        check("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true));
        check("MIT OR Apache-2.0 AND GPL-3.0", Some(true));
        check("(MIT OR Apache-2.0) AND GPL-3.0", Some(false));
        check("Apache-2.0 WITH LLVM-exception", Some(true));
        check("Apache-2.0", Some(false));
    }

    #[test]
    fn what_is_no_expression_is_none() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "AND MIT", "MIT WITH"] {
            check(expression, None);
        }
    }
}
