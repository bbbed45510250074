//! The settings as data.

use core::fmt;
use core::fmt::Write as _;

use clap::{Arg, ArgMatches};

use crate::settings::sources::Flags;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Table and key, joined by a dot.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds if nobody says anything.
    pub default: &'static str,
    /// What it is for; a whole sentence.
    pub help: &'static str,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A socket address; no names are looked up.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number, bounds included.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// Any text but none.
    Text,
}

/// Every setting, by name.
pub const TABLE: &[Setting] = &[
    Setting {
        name: "admin.address",
        kind: Kind::Address,
        default: "127.0.0.1:7480",
        help: "Where the admin pages listen. They ask for no password: keep them private.",
    },
    Setting {
        name: "data.directory",
        kind: Kind::Text,
        default: "data",
        help: "Where the embedded database and the event log live.",
    },
    Setting {
        name: "gateway.address",
        kind: Kind::Address,
        default: "0.0.0.0:7400",
        help: "Where players log in (UDP, QUIC).",
    },
    Setting {
        name: "gateway.connections_max",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: "10000",
        help: "Players connected to the gateway at once; more are refused.",
    },
    Setting {
        name: "log.filter",
        kind: Kind::Text,
        default: "info",
        help: "Which log lines are written: levels by module, like `info,netcode=debug`.",
    },
    Setting {
        name: "log.format",
        kind: Kind::Choice(&["json", "text"]),
        default: "text",
        help: "How a log line looks: JSON for machines, text for people.",
    },
    Setting {
        name: "login.argon2_iterations",
        kind: Kind::Number { min: 1, max: 64 },
        default: "2",
        help: "Passes of the password hash. More cost an attacker, and the server, more.",
    },
    Setting {
        name: "login.argon2_memory_kib",
        kind: Kind::Number { min: 8, max: 1_048_576 },
        default: "19456",
        help: "Memory of one password hash, in KiB.",
    },
    Setting {
        name: "login.argon2_parallelism",
        kind: Kind::Number { min: 1, max: 16 },
        default: "1",
        help: "Lanes of one password hash.",
    },
    Setting {
        name: "login.attempts_per_account_min",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: "10",
        help: "Logins tried for one account in a minute; more are refused.",
    },
    Setting {
        name: "login.attempts_per_address_min",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: "60",
        help: "Logins tried from one network address (IPv6: one /64) in a minute; \
               more are refused.",
    },
    Setting {
        name: "world.cols",
        kind: Kind::Number { min: 1, max: 64 },
        default: "2",
        help: "Zones from west to east.",
    },
    Setting {
        name: "world.rows",
        kind: Kind::Number { min: 1, max: 64 },
        default: "2",
        help: "Zones from north to south.",
    },
    Setting {
        name: "zones.address",
        kind: Kind::Address,
        default: "0.0.0.0:7500",
        help: "Where zone 0 listens (UDP). Zone n takes the n-th port above; port 0 takes any.",
    },
    Setting {
        name: "zones.connections_max",
        kind: Kind::Number { min: 1, max: 100_000 },
        default: "2000",
        help: "Players connected to one zone at once; more are refused.",
    },
];

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("SHARDLINE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The long flag that sets it, without its dashes.
    pub fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("an address with a port, like 127.0.0.1:7400"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Text => f.write_str("text that is not empty"),
        }
    }
}

/// The flags, for a command line. [`flags`] reads what was given.
pub fn arguments() -> impl Iterator<Item = Arg> {
    TABLE.iter().map(|setting| {
        let help = format!(
            "{} [default: {}] [env: {}]",
            setting.help,
            setting.default,
            setting.variable()
        );
        Arg::new(setting.name).long(setting.flag()).value_name("VALUE").help(help)
    })
}

/// What was given for [`arguments`].
pub fn flags(matches: &ArgMatches) -> Flags {
    let given = TABLE.iter().filter_map(|setting| {
        let value = matches.try_get_one::<String>(setting.name).ok().flatten()?;
        Some((setting.name, value.clone()))
    });
    given.collect()
}

/// The book's page on settings.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Written by a test from `reference-server/src/settings/table.rs`. \
         Change it there. -->\n\n\
         Each setting has one name. `world.rows` is `rows = 2` under `[world]` in the \
         settings file\n(TOML), `SHARDLINE_WORLD_ROWS` in the environment, and \
         `--world-rows` on the command line.\nA flag beats the environment, the environment \
         beats the file, the file beats the default.\nThe server checks all of them at its \
         start, and says which one is wrong, where it came from\nand what would be right.\n",
    );
    let mut table = "";
    for setting in TABLE {
        let (its_table, key) = setting.name.split_once('.').expect("names have two parts");
        if its_table != table {
            table = its_table;
            let head = "| setting | default | values | what it is for |\n|---|---|---|---|\n";
            write!(page, "\n## {table}\n\n{head}").expect("a string takes everything");
        }
        let Setting { default, kind, help, .. } = setting;
        writeln!(page, "| `{table}.{key}` | `{default}` | {kind} | {help} |")
            .expect("a string takes everything");
    }
    page
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::{TABLE, arguments, flags};

    #[test]
    fn names_are_sorted_and_have_two_parts() {
        let names: Vec<_> = TABLE.iter().map(|setting| setting.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| name.split('.').count() == 2), "{names:?}");
    }

    #[test]
    fn the_command_line_knows_every_setting() {
        let command = Command::new("server").args(arguments());
        let words = TABLE.iter().flat_map(|s| [format!("--{}", s.flag()), s.default.to_owned()]);
        let matches = command.try_get_matches_from(["server".into()].into_iter().chain(words));
        let given = flags(&matches.unwrap());
        assert_eq!(given.len(), TABLE.len());
        assert_eq!(given["login.argon2_memory_kib"], "19456");
    }
}
