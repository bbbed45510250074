//! argon2id: slow on purpose, so that a stolen table of hashes is worth little.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;

use crate::gateway::Password;
use crate::gateway::config::PasswordConfig;

/// The cost parameters are outside of what argon2 allows.
#[derive(Debug, Error)]
#[error("argon2 does not work with these costs: {0}")]
pub struct PasswordConfigError(String);

/// Hashes and compares, at the configured cost. Each call takes tens of milliseconds.
#[derive(Clone, Debug)]
pub struct Hasher {
    argon: Argon2<'static>,
    /// Of a password that nobody has: compared with when there is no account.
    decoy: String,
}

impl Hasher {
    /// A hasher. Computes one hash.
    ///
    /// # Errors
    ///
    /// [`PasswordConfigError`] for costs outside of argon2's bounds.
    pub fn new(config: &PasswordConfig) -> Result<Self, PasswordConfigError> {
        let describe = |error: argon2::Error| PasswordConfigError(error.to_string());
        let params = Params::new(config.memory_kib, config.iterations, config.lanes, None);
        let params = params.map_err(describe)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut hasher = Self { argon, decoy: String::new() };
        let decoy = hasher.hash(&Password::new("nobody".into()));
        hasher.decoy = decoy.ok_or_else(|| PasswordConfigError("hashing failed".into()))?;
        Ok(hasher)
    }

    /// A PHC string with a fresh salt; none if the system has no randomness or no memory.
    pub fn hash(&self, password: &Password) -> Option<String> {
        let hash: argon2::password_hash::Result<PasswordHash> =
            self.argon.hash_password(password.as_bytes());
        hash.ok().map(|hash| hash.to_string())
    }

    /// Whether the password is the one of the hash. With no hash it never is, after the same time.
    pub fn is_right(&self, password: &Password, hash: Option<&str>) -> bool {
        let parsed = PasswordHash::new(hash.unwrap_or(&self.decoy));
        let is_match = parsed
            .is_ok_and(|parsed| self.argon.verify_password(password.as_bytes(), &parsed).is_ok());
        is_match && hash.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hasher, Password, PasswordConfig};

    fn cheap() -> PasswordConfig {
        PasswordConfig { memory_kib: 8, iterations: 1, lanes: 1, parallel: 1 }
    }

    #[test]
    fn the_right_password_alone_is_right() {
        let hasher = Hasher::new(&cheap()).expect("costs");
        let [right, wrong] = ["correct horse", "correct house"].map(|it| Password::new(it.into()));
        let hash = hasher.hash(&right).expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hasher.hash(&right), Some(hash.clone()), "a fresh salt");
        assert!(hasher.is_right(&right, Some(&hash)));
        assert!(!hasher.is_right(&wrong, Some(&hash)));
        assert!(!hasher.is_right(&right, Some("not a hash")));
        assert!(!hasher.is_right(&Password::new("nobody".into()), None), "the decoy is nobody's");
    }

    #[test]
    fn impossible_costs_are_refused() {
        assert!(Hasher::new(&PasswordConfig { memory_kib: 1, ..cheap() }).is_err());
        assert!(Hasher::new(&PasswordConfig { iterations: 0, ..cheap() }).is_err());
    }
}
