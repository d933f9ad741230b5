//! Error texts for an address at which the hub cannot listen.

use std::io;
use std::net::SocketAddr;

/// The error of the address that `flag` gives for `whose` connections, and its remedy.
pub(crate) fn explain(address: SocketAddr, whose: &str, flag: &str, error: &io::Error) -> String {
    format!("address {address} for {whose} ({flag}) cannot be used: {error}: {}", remedy(address, error))
}

/// What to do if the hub cannot listen there.
pub(crate) fn remedy(address: SocketAddr, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what uses it, or choose another port",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need root or the right CAP_NET_BIND_SERVICE, which low-ports.conf among the package's examples \
             gives the service; or choose another"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 0.0.0.0 or [::] means all of its addresses"
        }
        _ => "choose another",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_remedy() {
        for (address, number, words) in [
            ("127.0.0.1:8008", 98, "stop what uses it"),
            ("0.0.0.0:80", 13, "CAP_NET_BIND_SERVICE"),
            ("192.0.2.1:8008", 99, "0.0.0.0 or [::]"),
            ("[::1]:8008", 97, "choose another"),
            ("0.0.0.0:8080", 13, "choose another"),
        ] {
            let error = io::Error::from_raw_os_error(number);
            let said = explain(address.parse().expect("an address"), "HTTP", "--http", &error);
            assert!(said.starts_with(&format!("address {address} for HTTP (--http) cannot be used: ")), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }
}
