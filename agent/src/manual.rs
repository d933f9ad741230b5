//! What shells and `man` read about the options. It is printed, because the agent writes no files but its spool.

use std::io::{self, Write};

use clap::{Command, Subcommand};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// Name of the program, as shells know it.
const PROGRAM: &str = "windfire-agent";

/// What is printed.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Print the completions of this command line for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Prints what the verb asks for.
///
/// # Errors
/// Standard output takes nothing. A reader that has closed it, as `head` does, is no error.
pub(crate) fn print(verb: &Verb, command: Command) -> Result<(), String> {
    let text = text_of(verb, command);
    match text.and_then(|text| io::stdout().write_all(&text)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

fn text_of(verb: &Verb, mut command: Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match verb {
        Verb::Completions { shell } => generate(*shell, &mut command, PROGRAM, &mut text),
        Verb::Man => Man::new(command).render(&mut text)?,
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::options::{Cli, Verb as AnyVerb};

    #[test]
    fn the_words_need_no_hub_and_have_every_option() {
        for (arguments, words) in [
            (&["man"][..], &["WINDFIRE_CREDENTIAL_FILE", "spool", "fingerprint"][..]),
            (&["completions", "bash"], &["--credential-file", "--spool"]),
            (&["completions", "zsh"], &["--credential-file", "--spool"]),
            (&["completions", "fish"], &["credential-file", "spool"]),
        ] {
            let read = Cli::try_parse_from([PROGRAM].iter().chain(arguments)).expect("no option is needed");
            let Some(AnyVerb::Manual(verb)) = read.verb else { panic!("{arguments:?}") };
            let text = text_of(&verb, Cli::command()).expect("written");
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(words.iter().all(|word| text.replace("\\-", "-").contains(word)), "{arguments:?}: {text}");
        }
    }
}
