//! Secrets: created here, shown once, kept as hashes.

use sha2::{Digest, Sha256};

/// Base62 characters of a token or credential: 190 bits, the length v0 used for its tokens.
pub const SECRET_CHARS: usize = 32;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a secret. The secrets are random and long, so a plain hash cannot be searched, and looking one up by hash
/// takes a time that says nothing about the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// The hash of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

/// A new secret of [`SECRET_CHARS`] base62 characters from the operating system.
///
/// # Panics
/// When the operating system has no randomness: secrets could then be guessed.
pub fn new_secret() -> String {
    let mut secret = String::with_capacity(SECRET_CHARS);
    while secret.len() < SECRET_CHARS {
        let mut random = [0u8; SECRET_CHARS];
        getrandom::fill(&mut random).expect("the operating system gives randomness");
        // 248 = 4 × 62: bytes above would favour the first characters.
        let fair = random.iter().filter(|byte| **byte < 248).map(|byte| char::from(BASE62[usize::from(byte % 62)]));
        secret.extend(fair.take(SECRET_CHARS - secret.len()));
    }
    secret
}

/// A password that cannot be guessed: 20 base62 characters, 119 bits.
pub fn new_password() -> String {
    let mut password = new_secret();
    password.truncate(20);
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_base62_and_differ() {
        let (a, b) = (new_secret(), new_secret());
        assert_eq!(a.len(), SECRET_CHARS);
        assert!(a.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(a, b);
    }

    #[test]
    fn the_hash_is_sha256() {
        let SecretHash(hash) = SecretHash::of("abc");
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
