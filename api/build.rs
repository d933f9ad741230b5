//! The panel's files are built into this crate: it is built again when they change.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
