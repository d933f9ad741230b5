//! `windfire admin`: users of the panel.

use clap::Subcommand;

use crate::admin::Request;
use crate::cli::call::{Call, Output};
use crate::cli::table::{since, table_of, text};
use crate::cli::view::View;

const PATH: &str = "/api/v1/user";

const LIST: View = View::list(|result, context| {
    table_of(["ID", "NAME", "ROLE", "CREATED"], result, |user| {
        [text(&user["id"]), text(&user["name"]), text(&user["role"]), since(context.now_s, &user["created"])]
    })
});

#[derive(Subcommand)]
pub(crate) enum AdminVerb {
    /// Give a user a new password; prints it, once. Ends the user's sessions
    Password {
        /// The user
        #[arg(default_value = "admin")]
        user: String,
        /// Create the user, as an administrator
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List users of the panel
    Users {
        #[command(flatten)]
        output: Output,
    },
}

impl AdminVerb {
    pub(super) fn into_call(self) -> Call {
        match self {
            Self::Password { user, new, output } => Call::of_hub(Request::Password { user, is_new: new }, output),
            Self::Users { output } => Call::list(PATH, LIST, output),
        }
    }
}
