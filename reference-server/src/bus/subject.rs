//! What a message is about, and which messages someone wants.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::ids::ZoneId;

/// What a message is about. In text: `events`, `zone.7`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Subject {
    /// Something happened in the game: an encoded [`Event`](crate::bus::Event).
    Events,
    /// Between zones: to this one.
    Zone(ZoneId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str("events"),
            Self::Zone(zone) => write!(f, "zone.{zone}"),
        }
    }
}

/// The text is not a subject.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a subject")]
pub struct SubjectError;

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if text == "events" {
            return Ok(Self::Events);
        }
        let zone = text.strip_prefix("zone.").ok_or(SubjectError)?;
        let subject = Self::Zone(ZoneId(zone.parse().map_err(|_| SubjectError)?));
        // One text a subject: no "zone.007", no "zone.+7".
        if subject.to_string() == text { Ok(subject) } else { Err(SubjectError) }
    }
}

/// Which messages a subscription wants. In text as brokers write it: `events`, `zone.*`, `>`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Filter {
    /// All.
    Any,
    /// Those to any zone.
    AnyZone,
    /// Those of one subject.
    Exactly(Subject),
}

impl Filter {
    /// Whether it lets the subject pass.
    pub fn matches(self, subject: Subject) -> bool {
        match self {
            Self::Any => true,
            Self::AnyZone => matches!(subject, Subject::Zone(_)),
            Self::Exactly(wanted) => subject == wanted,
        }
    }
}

impl From<Subject> for Filter {
    fn from(subject: Subject) -> Self {
        Self::Exactly(subject)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str(">"),
            Self::AnyZone => f.write_str("zone.*"),
            Self::Exactly(subject) => subject.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_one_subject_and_back() {
        for (subject, text) in [
            (Subject::Events, "events"),
            (Subject::Zone(ZoneId(0)), "zone.0"),
            (Subject::Zone(ZoneId(u32::MAX)), "zone.4294967295"),
        ] {
            assert_eq!(subject.to_string(), text);
            assert_eq!(text.parse(), Ok(subject));
        }
        for text in
            ["", "event", "zone", "zone.", "zone.x", "zone.4294967296", "zone.07", "zone.+1"]
        {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text}");
        }
    }

    #[test]
    fn filters_let_pass_what_they_name() {
        let subjects = [Subject::Events, Subject::Zone(ZoneId(1)), Subject::Zone(ZoneId(2))];
        for (filter, text, passes) in [
            (Filter::Any, ">", [true, true, true]),
            (Filter::AnyZone, "zone.*", [false, true, true]),
            (Subject::Events.into(), "events", [true, false, false]),
            (Subject::Zone(ZoneId(2)).into(), "zone.2", [false, false, true]),
        ] {
            assert_eq!(filter.to_string(), text);
            assert_eq!(subjects.map(|subject| filter.matches(subject)), passes, "{text}");
        }
    }
}
