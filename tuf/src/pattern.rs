//! Path patterns of delegations (TUF §4.5.3): shell wildcards, none of which matches a `/`.

/// Whether a target's path matches a pattern. `*` matches any number of characters, `?` one, `[abc]`, `[a-z]` and
/// `[!a]` one of a set; a `[` without its `]` is itself. The rules are those of Python's `fnmatch`, for each segment.
///
/// ```
/// assert!(tuf::matches("ricoh/*/fw-?.bin", "ricoh/imc4500/fw-7.bin"));
/// assert!(!tuf::matches("ricoh/*", "ricoh/imc4500/fw-7.bin"));
/// ```
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut patterns = pattern.split('/');
    let mut segments = path.split('/');
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if segment_matches(&tokens(pattern), segment) => {}
            (Some(_), Some(_) | None) | (None, Some(_)) => return false,
        }
    }
}

/// A part of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// A character that matches itself.
    Literal(char),
    /// `[...]`: ranges, each with both ends; `negated` for `[!...]`.
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut rest = chars.as_slice();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            '*' => tokens.push(Token::Any),
            '?' => tokens.push(Token::One),
            '[' => match set(after) {
                Some((set, after)) => {
                    tokens.push(set);
                    rest = after;
                }
                None => tokens.push(Token::Literal('[')),
            },
            literal => tokens.push(Token::Literal(*literal)),
        }
    }
    tokens
}

/// The set after a `[`, and what follows its `]`. A `]` in the first place belongs to the set.
fn set(chars: &[char]) -> Option<(Token, &[char])> {
    let (negated, chars) = match chars.split_first() {
        Some(('!', after)) => (true, after),
        Some(_) | None => (false, chars),
    };
    let end = chars.iter().skip(1).position(|c| *c == ']')? + 1;
    let (mut members, after) = (chars.get(..end)?, chars.get(end + 1..)?);
    let mut ranges = Vec::new();
    while let Some((first, rest)) = members.split_first() {
        match rest {
            ['-', last, rest @ ..] => {
                ranges.push((*first, *last));
                members = rest;
            }
            rest => {
                ranges.push((*first, *first));
                members = rest;
            }
        }
    }
    Some((Token::Set { negated, ranges }, after))
}

/// Backtracks only to the last `*`, so that the time is bounded by the product of the lengths.
fn segment_matches(tokens: &[Token], segment: &str) -> bool {
    let chars: Vec<char> = segment.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        match (tokens.get(token), chars.get(at)) {
            (None, None) => return true,
            (Some(Token::Any), _) => {
                last_any = Some((token, at));
                token += 1;
                continue;
            }
            (Some(one), Some(c)) if one.matches(*c) => {
                token += 1;
                at += 1;
                continue;
            }
            (Some(_), None) => return false,
            (Some(_) | None, Some(_)) => {}
        }
        // The last `*` matches one character more.
        let Some((any, from)) = last_any else { return false };
        last_any = Some((any, from + 1));
        token = any + 1;
        at = from + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results are those of Python's `fnmatch.fnmatchcase`, by segments.
    #[test]
    fn patterns_match_as_in_python() {
        for (pattern, path, expected) in [
            ("*", "a", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("**", "a/b", false),
            ("**", "ab", true),
            ("*.zip", ".zip", true),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbxcx", false),
            ("?", "", false),
            ("?", "é", true),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[!abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[c-a]", "b", false),
            ("[]]", "]", true),
            ("[]-]", "-", true),
            ("[a-]", "-", true),
            ("[^a]", "^", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("[]", "[]", true),
            ("[!]", "[!]", true),
            ("[!]a]", "b", true),
            ("a/", "a", false),
            ("A", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern:?} {path:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "*a".repeat(250);
        assert!(!matches(&pattern, &format!("{}b", "a".repeat(1_000))));
    }

    /// The same decision, written as a recursion that tries everything.
    fn model(pattern: &[char], segment: &[char]) -> bool {
        match (pattern.split_first(), segment.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                model(rest, segment) || segment.split_first().is_some_and(|(_, after)| model(pattern, after))
            }
            (Some((p, rest)), Some((c, after))) if *p == '?' || p == c => model(rest, after),
            (Some(_), _) | (None, Some(_)) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn wildcards_match_as_a_recursive_model(pattern in "[ab*?]{0,10}", segment in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            proptest::prop_assert_eq!(matches(&pattern, &segment), model(&chars(&pattern), &chars(&segment)));
        }
    }
}
