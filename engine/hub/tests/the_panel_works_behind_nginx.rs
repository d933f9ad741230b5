//! The panel behind a real nginx, with the configuration that docs/recipes/nginx.conf keeps. Only addresses and paths
//! are the test's.

mod hub;

use std::fs;
use std::process::Command;

use hub::new_hub;
use hub::proxy::{NAME, Proxy, SERVERS, free_address, installed, replaced, the_panel_works};
use windfire_bench::hub_process::request;

const RECIPE: &str = include_str!("../../../docs/recipes/nginx.conf");
/// What is around it, in the folder of the test. As in Debian's own, gzip is on for all sites.
const AROUND: &str = "daemon off; master_process off; pid FOLDER/pid; error_log stderr; events {}\n\
    http {\n  access_log off; gzip on; gzip_proxied any; gzip_types application/json text/event-stream;\n  \
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;\n  \
    uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;\n  include FOLDER/windfire.conf;\n}\n";

#[test]
fn the_panel_works_behind_nginx() {
    // A user's PATH often lacks the folder of root's programs.
    let Some(program) = installed(&["nginx", "/usr/sbin/nginx"], "-v") else { return };
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(SERVERS, "fleet");
    hub.start();

    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let certificate = folder.path().join("cert.pem");
    fs::write(&certificate, own.cert.pem()).expect("written");
    fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).expect("written");
    let mut plain_address = None;
    let proxy = Proxy::start(folder, &certificate, |folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        let (http, https) = (free_address(), free_address());
        plain_address = Some(http);
        // The recipe listens at both families. Here the second is another address of the loopback.
        let (http_2, https_2) = (format!("127.0.0.2:{}", http.port()), format!("127.0.0.2:{}", https.port()));
        let recipe = replaced(
            RECIPE,
            &[
                ("listen 80;", &format!("listen {http};")),
                ("listen [::]:80;", &format!("listen {http_2};")),
                ("listen 443 ", &format!("listen {https} ")),
                ("listen [::]:443 ", &format!("listen {https_2} ")),
                ("/etc/ssl/hub.example.org/fullchain.pem", &path("cert.pem")),
                ("/etc/ssl/hub.example.org/privkey.pem", &path("key.pem")),
                ("hub.example.org", NAME),
                ("127.0.0.1:8008", &hub.http().to_string()),
            ],
        );
        fs::write(path("windfire.conf"), recipe).expect("written");
        fs::write(path("nginx.conf"), AROUND.replace("FOLDER", &folder.display().to_string())).expect("written");
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(folder).args(["-c", &path("nginx.conf")]);
        (command, https)
    });

    let http = plain_address.expect("it was configured");
    let plain = request(http, "GET", "/rules", &[], b"").expect("an answer");
    assert_eq!((plain.status, plain.header("location")), (301, Some("https://hub/rules")));
    the_panel_works(&hub, &proxy);
}
