//! What an operator may change: one table of data, from which everything else follows.
//!
//! ```text
//!   default < file (TOML) < environment (SHARDLINE_*) < flag (--*)
//!      └──────────────┴──────── [TABLE] ───┴───────────────┘
//!                                  ├──▶ Settings    checked once, at start
//!                                  ├──▶ --help      [arguments]
//!                                  └──▶ book page   [markdown]
//! ```
//!
//! A setting is called by one name everywhere: `world.rows` is `rows = 2` under `[world]` in the
//! file, `SHARDLINE_WORLD_ROWS` in the environment, and `--world-rows` on the command line.
//!
//! # Invariants
//!
//! - A [`Settings`] that exists has passed every check; nothing is checked again later.
//! - An error names the setting, where its value came from, the value, and what would be right.
//! - Unknown names in the file are errors. Unknown variables are not: schedulers set variables of
//!   their own next to ours.
//!
//! Deliberately absent: what a setting does. Each slice is handed its part by `app`.

pub mod error;
pub mod sources;
pub mod table;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::settings::error::SettingsError;
use crate::settings::sources::{Raw, Sources};

/// Checked settings of one server process. The fields stand in the order of [`table::TABLE`],
/// which explains them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// `admin.address`
    pub admin_address: SocketAddr,
    /// `data.directory`
    pub data_directory: PathBuf,
    /// `gateway.address`
    pub gateway_address: SocketAddr,
    /// `gateway.connections_max`
    pub gateway_connections_max: u32,
    /// `log.filter`
    pub log_filter: String,
    /// `log.format`, one of the names that the log's own type can read.
    pub log_format: String,
    /// `login.argon2_iterations`
    pub login_argon2_iterations: u32,
    /// `login.argon2_memory_kib`
    pub login_argon2_memory_kib: u32,
    /// `login.argon2_parallelism`
    pub login_argon2_parallelism: u32,
    /// `login.attempts_per_account_min`
    pub login_attempts_per_account_min: u32,
    /// `login.attempts_per_address_min`
    pub login_attempts_per_address_min: u32,
    /// `world.cols`
    pub world_cols: u32,
    /// `world.rows`
    pub world_rows: u32,
    /// `zones.address`: of zone 0; zone n listens n ports above it, unless the port is 0.
    pub zones_address: SocketAddr,
    /// `zones.connections_max`
    pub zones_connections_max: u32,
}

impl Settings {
    /// Gathers and checks all settings.
    ///
    /// ```
    /// use reference_server::settings::Settings;
    /// use reference_server::settings::sources::Sources;
    ///
    /// let environment = [("SHARDLINE_WORLD_ROWS".to_owned(), "3".to_owned())];
    /// let sources = Sources { environment: environment.into(), ..Sources::default() };
    /// let settings = Settings::load(&sources)?;
    /// assert_eq!((settings.world_rows, settings.world_cols), (3, 2));
    /// # Ok::<(), reference_server::settings::error::SettingsError>(())
    /// ```
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let raw = sources.gather()?;
        let settings = Self::from_raw(&raw)?;
        settings.check_together(&raw)?;
        Ok(settings)
    }

    /// The socket address of each zone, by zone id.
    pub fn zone_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let base = self.zones_address;
        (0..self.world_rows * self.world_cols).map(move |zone| {
            let mut address = base;
            if base.port() != 0 {
                let port = u32::from(base.port()) + zone;
                address.set_port(u16::try_from(port).expect("check_together has seen to it"));
            }
            address
        })
    }

    fn from_raw(raw: &Raw) -> Result<Self, SettingsError> {
        Ok(Self {
            admin_address: raw.address("admin.address")?,
            data_directory: raw.text("data.directory")?.into(),
            gateway_address: raw.address("gateway.address")?,
            gateway_connections_max: raw.number("gateway.connections_max")?,
            log_filter: raw.text("log.filter")?,
            log_format: raw.text("log.format")?,
            login_argon2_iterations: raw.number("login.argon2_iterations")?,
            login_argon2_memory_kib: raw.number("login.argon2_memory_kib")?,
            login_argon2_parallelism: raw.number("login.argon2_parallelism")?,
            login_attempts_per_account_min: raw.number("login.attempts_per_account_min")?,
            login_attempts_per_address_min: raw.number("login.attempts_per_address_min")?,
            world_cols: raw.number("world.cols")?,
            world_rows: raw.number("world.rows")?,
            zones_address: raw.address("zones.address")?,
            zones_connections_max: raw.number("zones.connections_max")?,
        })
    }

    /// What no setting can break alone.
    fn check_together(&self, raw: &Raw) -> Result<(), SettingsError> {
        let memory_min = 8 * self.login_argon2_parallelism;
        if self.login_argon2_memory_kib < memory_min {
            let wanted = format!(
                "at least {memory_min}: 8 for each of login.argon2_parallelism = {}",
                self.login_argon2_parallelism
            );
            return Err(raw.invalid("login.argon2_memory_kib", wanted));
        }
        let port = u32::from(self.zones_address.port());
        let zones = self.world_rows * self.world_cols;
        if port != 0 && port + zones - 1 > u32::from(u16::MAX) {
            let wanted = format!("a port low enough for {zones} zones above it, or port 0");
            return Err(raw.invalid("zones.address", wanted));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::{Settings, SettingsError, Sources};
    use crate::settings::error::Origin;
    use crate::settings::table::{TABLE, markdown};

    fn with_variables(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let owned = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Settings::load(&Sources { environment: owned.collect(), ..Sources::default() })
    }

    fn with_file(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        std::fs::write(&path, text).unwrap();
        Settings::load(&Sources { file: Some(path), ..Sources::default() })
    }

    #[test]
    fn every_default_passes_every_check() {
        let settings = Settings::load(&Sources::default()).unwrap();
        assert_eq!(settings.zone_addresses().count(), 4);
        assert_eq!(settings.zone_addresses().nth(3).unwrap().port(), 7_503);
    }

    #[test]
    fn every_row_of_the_table_reaches_a_field() {
        let default = Settings::load(&Sources::default()).unwrap();
        for row in TABLE {
            let changed = match row.name {
                "log.format" => "json".to_owned(),
                name if name.ends_with("address") => "127.0.0.1:1".to_owned(),
                _ => "9".to_owned(),
            };
            let changed = with_variables(&[
                (&row.variable(), &changed),
                (
                    "SHARDLINE_LOGIN_ARGON2_MEMORY_KIB",
                    if row.name == "login.argon2_memory_kib" { "9" } else { "19456" },
                ),
            ]);
            assert_ne!(changed.unwrap(), default, "{} changes nothing", row.name);
        }
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        std::fs::write(&path, "[world]\nrows = 3\ncols = 3\n[gateway]\nconnections_max = 3\n")
            .unwrap();
        let sources = Sources {
            file: Some(path),
            environment: [
                ("SHARDLINE_WORLD_ROWS".into(), "4".into()),
                ("SHARDLINE_WORLD_COLS".into(), "4".into()),
            ]
            .into(),
            flags: BTreeMap::from([("world.rows", "5".into())]),
        };
        let settings = Settings::load(&sources).unwrap();
        let seen = (settings.world_rows, settings.world_cols, settings.gateway_connections_max);
        assert_eq!(seen, (5, 4, 3));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_origin_and_its_bound() {
        let error = with_variables(&[("SHARDLINE_WORLD_ROWS", "900")]).unwrap_err();
        assert!(matches!(&error, SettingsError::Invalid { origin: Origin::Variable(_), .. }));
        assert_eq!(
            error.to_string(),
            "world.rows is \"900\", from variable SHARDLINE_WORLD_ROWS, but must be a whole \
             number from 1 to 64; change it there, or leave it out for the default \"2\""
        );
        for (name, value) in [
            ("SHARDLINE_WORLD_ROWS", "-1"),
            ("SHARDLINE_WORLD_ROWS", "two"),
            ("SHARDLINE_WORLD_ROWS", "99999999999999999999"),
            ("SHARDLINE_ADMIN_ADDRESS", "localhost"),
            ("SHARDLINE_LOG_FORMAT", "xml"),
            ("SHARDLINE_DATA_DIRECTORY", ""),
        ] {
            let error = with_variables(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("must be"), "{error}");
        }
    }

    #[test]
    fn settings_that_are_wrong_together_are_refused() {
        let error = with_variables(&[
            ("SHARDLINE_LOGIN_ARGON2_MEMORY_KIB", "16"),
            ("SHARDLINE_LOGIN_ARGON2_PARALLELISM", "4"),
        ]);
        assert!(error.unwrap_err().to_string().contains("at least 32"));
        let error = with_variables(&[("SHARDLINE_ZONES_ADDRESS", "127.0.0.1:65533")]);
        assert!(error.unwrap_err().to_string().contains("port"));
        let any_port = with_variables(&[("SHARDLINE_ZONES_ADDRESS", "127.0.0.1:0")]).unwrap();
        assert!(any_port.zone_addresses().all(|address| address.port() == 0));
    }

    #[test]
    fn a_file_with_an_unknown_name_or_a_wrong_shape_is_refused() {
        for (text, expected) in [
            ("[world]\nrowz = 3\n", "unknown setting `world.rowz`"),
            ("world = 3\n", "unknown setting `world`"),
            ("[world]\nrows = [3]\n", "must be a whole number"),
            ("[world\n", "line 1"),
        ] {
            let error = with_file(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let sources = Sources { file: Some("no/such.toml".into()), ..Sources::default() };
        let error = Settings::load(&sources).unwrap_err();
        let missing = PathBuf::from("no/such.toml");
        assert!(matches!(&error, SettingsError::File { path, .. } if *path == missing));
    }

    #[test]
    fn the_page_of_the_book_is_fresh() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/server/settings.md");
        if std::fs::read_to_string(&page).unwrap_or_default() != markdown() {
            std::fs::create_dir_all(page.parent().unwrap()).unwrap();
            std::fs::write(&page, markdown()).unwrap();
            panic!("book/src/server/settings.md was stale. It is written anew: commit it.");
        }
    }
}
