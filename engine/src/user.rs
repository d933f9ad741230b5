//! People who sign in to the panel.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use crate::secret::{SECRET_CHARS, SecretHash, new_secret};

/// Seconds that a login lasts after its last use.
pub const LOGIN_S: i64 = 7 * 86_400;

/// Cost of a password hash: the minimum that OWASP recommends for argon2id (19 MiB, 2 passes).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Memory in which hashes are computed, one at a time. It is kept, because otherwise the allocator would keep such a
/// piece for each thread that ever computed one.
static WORKSPACE: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// See every server, change nothing.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Viewer];

    /// The role as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A user of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Given out once, never again.
    pub id: u64,
    /// The name to sign in with. It never changes.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// For checking its password.
    pub password: PasswordHash,
    /// Unix seconds.
    pub created_s: i64,
}

/// A change to a user; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of User")]
pub struct UserEdit {
    pub role: Option<Role>,
    pub password: Option<PasswordHash>,
}

/// A signed-in browser: the session cookie of the panel. It is not called *session*, because agents have those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Hash of the cookie's value.
    pub hash: SecretHash,
    /// Who signed in.
    pub user: String,
    /// Unix seconds after which it is refused.
    pub expires_s: i64,
}

/// A login that was just created.
#[derive(Clone, PartialEq, Eq)]
pub struct NewLogin {
    /// The cookie's value, which is not kept and cannot be shown again.
    pub cookie: String,
    /// Whether it is on disk. If not, it ends with the hub, unless the disk takes it before.
    pub is_stored: bool,
}

/// argon2id of a password, with the parameters to compute it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) salt: [u8; SECRET_CHARS],
    pub(crate) hash: [u8; 32],
}

impl PasswordHash {
    /// The hash of a password. Takes tens of milliseconds and 19 MiB, on purpose.
    ///
    /// # Errors
    /// A sentence for the person who chose it, when it is too short or too long.
    pub fn of(password: &str) -> Result<Self, String> {
        let chars = password.chars().count();
        if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
            return Err(format!(
                "password of {chars} characters is refused: choose {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX}"
            ));
        }
        let mut salt = [0; SECRET_CHARS];
        salt.copy_from_slice(new_secret().as_bytes());
        Ok(Self { memory_kib: MEMORY_KIB, passes: PASSES, salt, hash: hash(password, &salt, MEMORY_KIB, PASSES) })
    }

    /// Whether this is the hash of `password`. As slow as computing one.
    pub fn matches(&self, password: &str) -> bool {
        // No stored password is longer, and a long text must not buy more work.
        let is_possible = password.len() <= 4 * PASSWORD_CHARS_MAX;
        let password = if is_possible { password } else { "" };
        let found = hash(password, &self.salt, self.memory_kib, self.passes);
        is_possible & bool::from(found.ct_eq(&self.hash))
    }

    /// Matches no password, but takes as long as any other: so that an unknown user looks like a wrong password.
    pub fn of_nobody() -> Self {
        Self { memory_kib: MEMORY_KIB, passes: PASSES, salt: [0; SECRET_CHARS], hash: [0; 32] }
    }

    pub(crate) fn is_affordable(memory_kib: u32, passes: u32) -> bool {
        (8..=1 << 20).contains(&memory_kib) && (1..=16).contains(&passes)
    }
}

fn hash(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    let params = Params::new(memory_kib, passes, 1, Some(hash.len())).expect("checked when stored");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let blocks = argon2.params().block_count();
    let mut workspace = WORKSPACE.lock();
    workspace.resize(blocks, Block::default());
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, &mut **workspace)
        .expect("lengths are within argon2's");
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_matches() {
        let hash = PasswordHash::of("correct horse battery").expect("long enough");
        assert!(hash.matches("correct horse battery"));
        assert!(!hash.matches("correct horse batterz"));
        assert!(!hash.matches(&"x".repeat(100_000)));
        assert!(!PasswordHash::of_nobody().matches(""));
        assert_ne!(hash, PasswordHash::of("correct horse battery").expect("long enough"), "each has its own salt");
    }

    #[test]
    fn short_and_long_passwords_are_refused_by_characters() {
        assert!(PasswordHash::of("ärgerlich!!").is_err());
        assert!(PasswordHash::of("ärgerlich!!!").is_ok());
        assert!(PasswordHash::of(&"x".repeat(PASSWORD_CHARS_MAX + 1)).is_err());
    }
}
