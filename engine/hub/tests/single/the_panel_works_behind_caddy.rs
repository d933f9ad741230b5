//! The panel behind a real Caddy, with the configurations that docs/recipes keeps: one for a site of its own, and one
//! for a path of another site. Only addresses are the test's.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::hub::new_hub;
use crate::hub::proxy::{NAME, Proxy, SERVERS, free_address, installed, replaced, the_panel_works};

const RECIPE: &str = include_str!("../../../../docs/recipes/Caddyfile");
const RECIPE_OF_PATH: &str = include_str!("../../../../docs/recipes/Caddyfile-path");
/// What is before it. Certificates come from Caddy's own authority, which the machine shall not trust after the test.
const BEFORE: &str = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n\
    \tstorage file_system FOLDER/storage\n}\nimport FOLDER/windfire\n";

/// A proxy with that recipe before the hub.
fn start(program: &str, hub: SocketAddr, prefix: &'static str, recipe: &str) -> Proxy {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = folder.path().join("storage/pki/authorities/local/root.crt");
    Proxy::start(folder, &authority, prefix, |folder| {
        let path = |name: &str| folder.join(name);
        let https = free_address();
        let site = format!("https://{NAME}:{}", https.port());
        let recipe = replaced(recipe, &[("hub.example.org", &site), ("127.0.0.1:8008", &hub.to_string())]);
        fs::write(path("windfire"), recipe).expect("written");
        fs::write(path("Caddyfile"), BEFORE.replace("FOLDER", &folder.display().to_string())).expect("written");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path("Caddyfile"));
        // It keeps its configuration there.
        command.env("HOME", folder).env("XDG_CONFIG_HOME", path("config")).env("XDG_DATA_HOME", path("data"));
        (command, https)
    })
}

#[test]
fn the_panel_works_behind_caddy() {
    let Some(program) = installed(&["caddy"], "version") else { return };
    let hubs: [(&[&str], &str, &str); 2] =
        [(&[], "", RECIPE), (&["--base-path", "/windfire/"], "/windfire", RECIPE_OF_PATH)];
    for (arguments, prefix, recipe) in hubs {
        let (_folder, mut hub) = new_hub(arguments);
        hub.make_servers(SERVERS, "fleet");
        hub.start();
        the_panel_works(&hub, &start(program, hub.http(), prefix, recipe));
    }
}
