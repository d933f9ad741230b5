//! What a hub shows the brokers, so that they admit it.

use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::ClusterError;
use crate::limits::CREDENTIALS_BYTES_MAX;

/// A user with a password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user of the brokers' configuration.
    User {
        /// Its name.
        user: String,
        /// Its password.
        password: String,
    },
    /// The brokers' token.
    Token(String),
}

impl Credentials {
    /// Reads the file that an option names. It has the lines `user = …` and `password = …`, or the line
    /// `token = …`.
    ///
    /// # Errors
    /// What is wrong with the file, without what is in it.
    pub fn read(option: &'static str, path: &Path) -> Result<Self, ClusterError> {
        let wrong = |reason: String| ClusterError::Option { option, value: path.display().to_string(), reason };
        let file = File::open(path).map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
        let mut text = String::new();
        let max = u64::try_from(CREDENTIALS_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        file.take(max).read_to_string(&mut text).map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > CREDENTIALS_BYTES_MAX {
            return Err(format!("the file has more than {CREDENTIALS_BYTES_MAX} bytes"));
        }
        if text.contains("NATS USER JWT") {
            let reason = "credentials with a JWT are not supported: give this hub a user with a password, or a token, in \
                          the configuration of the brokers";
            return Err(reason.to_owned());
        }
        let (mut user, mut password, mut token) = (None, None, None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let expected = || {
                let line = index.saturating_add(1);
                format!("line {line} must be user = …, password = … or token = …, each once and with a value")
            };
            let (name, value) = line.split_once('=').ok_or_else(expected)?;
            let kept = match name.trim() {
                "user" => &mut user,
                "password" => &mut password,
                "token" => &mut token,
                _ => return Err(expected()),
            };
            let value = value.trim();
            if value.is_empty() || kept.replace(value.to_owned()).is_some() {
                return Err(expected());
            }
        }
        match (user, password, token) {
            (Some(user), Some(password), None) => Ok(Self::User { user, password }),
            (None, None, Some(token)) => Ok(Self::Token(token)),
            _ => Err("the file must have a user and a password, or a token".to_owned()),
        }
    }
}

impl Debug for Credentials {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { user, .. } => formatter.debug_struct("User").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => formatter.debug_tuple("Token").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_user_or_a_token() {
        let user = Credentials::parse("# hub a\n\nuser = wf\r\npassword = a = b # c\n").unwrap();
        assert_eq!(user, Credentials::User { user: "wf".to_owned(), password: "a = b # c".to_owned() });
        assert_eq!(Credentials::parse("token=x").unwrap(), Credentials::Token("x".to_owned()));
        for text in ["", "user = a", "password = a", "user = a\npassword =", "user = a\nuser = b\npassword = c"] {
            assert!(Credentials::parse(text).is_err(), "{text}");
        }
        for text in ["token = a\nuser = b", "token", "what = a", "user = a\npassword = b\ntoken = c"] {
            assert!(Credentials::parse(text).is_err(), "{text}");
        }
        assert!(Credentials::parse(&"#".repeat(CREDENTIALS_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn credentials_with_a_jwt_are_refused_with_the_remedy() {
        let error = Credentials::parse("-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n");
        assert!(error.unwrap_err().contains("a user with a password"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let user = Credentials::User { user: "wf".to_owned(), password: "secret".to_owned() };
        let token = Credentials::Token("secret".to_owned());
        assert!(!format!("{user:?}{token:?}").contains("secret"));
        let error = Credentials::parse("secret").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
