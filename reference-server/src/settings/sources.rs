//! Where values come from, and which of them counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Value;

use crate::settings::error::{Origin, SettingsError};
use crate::settings::table::{Kind, Setting, TABLE};

/// Values of the command line, by the name of the setting.
pub type Flags = BTreeMap<&'static str, String>;

/// Where to look for values. Later fields count more.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file, if the operator has named one.
    pub file: Option<PathBuf>,
    /// Variables; those of other programs are ignored.
    pub environment: BTreeMap<String, String>,
    /// From [`flags`](crate::settings::table::flags).
    pub flags: Flags,
}

impl Sources {
    /// This file, these flags, and the environment of this process.
    pub fn of_process(file: Option<PathBuf>, flags: Flags) -> Self {
        // A name or value that is not Unicode cannot be one of ours.
        let variables = std::env::vars_os();
        let variables = variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self { file, environment: variables.collect(), flags }
    }

    pub(super) fn gather(&self) -> Result<Raw, SettingsError> {
        let mut values = match &self.file {
            Some(path) => read_file(path)?,
            None => BTreeMap::new(),
        };
        for setting in TABLE {
            let variable = setting.variable();
            if let Some(value) = self.environment.get(&variable) {
                values.insert(setting.name, (value.clone(), Origin::Variable(variable)));
            }
            if let Some(value) = self.flags.get(setting.name) {
                let flag = format!("--{}", setting.flag());
                values.insert(setting.name, (value.clone(), Origin::Flag(flag)));
            }
            values.entry(setting.name).or_insert((setting.default.to_owned(), Origin::Default));
        }
        Ok(Raw(values))
    }
}

type Values = BTreeMap<&'static str, (String, Origin)>;

fn read_file(path: &Path) -> Result<Values, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError::File { path: path.to_owned(), error })?;
    let document: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        SettingsError::Syntax { path: path.to_owned(), reason: error.to_string() }
    })?;
    let unknown = |name| SettingsError::Unknown { path: path.to_owned(), name };
    let mut values = Values::new();
    for (table, content) in document {
        let Value::Table(content) = content else { return Err(unknown(table)) };
        for (key, value) in content {
            let name = format!("{table}.{key}");
            let setting = TABLE.iter().find(|setting| setting.name == name);
            let Some(setting) = setting else { return Err(unknown(name)) };
            let value = match value {
                Value::String(text) => text,
                // Whatever is no number will be refused as what it looks like.
                other => other.to_string(),
            };
            values.insert(setting.name, (value, Origin::File(path.to_owned())));
        }
    }
    Ok(values)
}

/// One value for each setting, and who gave it.
#[derive(Debug)]
pub(super) struct Raw(Values);

impl Raw {
    pub(super) fn address(
        &self,
        name: &'static str,
    ) -> Result<std::net::SocketAddr, SettingsError> {
        let (setting, value) = self.entry(name);
        value.parse().map_err(|_| self.invalid(name, setting.kind.to_string()))
    }

    pub(super) fn number(&self, name: &'static str) -> Result<u32, SettingsError> {
        let (setting, value) = self.entry(name);
        let Kind::Number { min, max } = setting.kind else { unreachable!("{name} is no number") };
        let number = value.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| self.invalid(name, setting.kind.to_string()))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<String, SettingsError> {
        let (setting, value) = self.entry(name);
        let is_right = match setting.kind {
            Kind::Choice(words) => words.contains(&value),
            _ => !value.is_empty(),
        };
        if is_right {
            Ok(value.to_owned())
        } else {
            Err(self.invalid(name, setting.kind.to_string()))
        }
    }

    pub(super) fn invalid(&self, name: &'static str, wanted: String) -> SettingsError {
        let (setting, value) = self.entry(name);
        let origin = self.0[name].1.clone();
        SettingsError::Invalid {
            name,
            value: value.to_owned(),
            origin,
            wanted,
            default: setting.default,
        }
    }

    fn entry(&self, name: &'static str) -> (&'static Setting, &str) {
        let setting = TABLE.iter().find(|setting| setting.name == name);
        (setting.expect("only names of the table are asked for"), &self.0[name].0)
    }
}
