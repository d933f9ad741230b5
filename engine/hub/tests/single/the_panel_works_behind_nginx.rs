//! The panel behind a real nginx, with the configurations that docs/recipes keeps: one for a site of its own, and one
//! for a path of another site. Only addresses and the paths of files are the test's.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::hub::new_hub;
use crate::hub::proxy::{NAME, Proxy, SERVERS, free_address, installed, replaced, the_panel_works};
use windfire_bench::hub_process::request;

const RECIPE: &str = include_str!("../../../../docs/recipes/nginx.conf");
const RECIPE_OF_PATH: &str = include_str!("../../../../docs/recipes/nginx-path.conf");
/// What is around it, in the folder of the test. As in Debian's own, gzip is on for all sites.
const AROUND: &str = "daemon off; master_process off; pid FOLDER/pid; error_log stderr; events {}\n\
    http {\n  access_log off; gzip on; gzip_proxied any; gzip_types application/json text/event-stream;\n  \
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;\n  \
    uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;\n  include FOLDER/windfire.conf;\n}\n";

/// A proxy with that recipe before the hub. It is asked for again when an address is taken.
fn start(program: &str, hub: SocketAddr, prefix: &'static str, mut recipe: impl FnMut() -> String) -> Proxy {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let certificate = folder.path().join("cert.pem");
    fs::write(&certificate, own.cert.pem()).expect("written");
    fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).expect("written");
    Proxy::start(folder, &certificate, prefix, |folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        let https = free_address();
        let recipe = replaced(
            &recipe(),
            &[
                ("listen 443 ", &format!("listen {https} ")),
                ("listen [::]:443 ", &format!("listen {} ", of_other_family(https))),
                ("/etc/ssl/hub.example.org/fullchain.pem", &path("cert.pem")),
                ("/etc/ssl/hub.example.org/privkey.pem", &path("key.pem")),
                ("hub.example.org", NAME),
                ("127.0.0.1:8008", &hub.to_string()),
            ],
        );
        fs::write(path("windfire.conf"), recipe).expect("written");
        (nginx(program, folder), https)
    })
}

/// The recipes listen at both families. Here the second is another address of the loopback.
fn of_other_family(address: SocketAddr) -> String {
    format!("127.0.0.2:{}", address.port())
}

fn nginx(program: &str, folder: &Path) -> Command {
    let config = folder.join("nginx.conf");
    fs::write(&config, AROUND.replace("FOLDER", &folder.display().to_string())).expect("written");
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(config);
    command
}

#[test]
fn the_panel_works_behind_nginx() {
    // A user's PATH often lacks the folder of root's programs.
    let Some(program) = installed(&["nginx", "/usr/sbin/nginx"], "-v") else { return };
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(SERVERS, "fleet");
    hub.start();
    let mut plain_address = None;
    let proxy = start(program, hub.http(), "", || {
        let http = free_address();
        plain_address = Some(http);
        let (here, there) = (format!("listen {http};"), format!("listen {};", of_other_family(http)));
        replaced(RECIPE, &[("listen 80;", &here), ("listen [::]:80;", &there)])
    });
    let http = plain_address.expect("it was configured");
    let plain = request(http, "GET", "/rules", &[], b"").expect("an answer");
    assert_eq!((plain.status, plain.header("location")), (301, Some("https://hub/rules")));
    the_panel_works(&hub, &proxy);

    let (_folder, mut hub) = new_hub(&["--base-path", "/windfire/"]);
    hub.make_servers(SERVERS, "fleet");
    hub.start();
    let proxy = start(program, hub.http(), "/windfire", || RECIPE_OF_PATH.to_owned());
    the_panel_works(&hub, &proxy);
}
