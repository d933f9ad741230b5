//! v0's rule for addresses (contract 1.6): one text becomes three.

/// `ipv4`, `ipv6` and `valid_ip` of an agent's address text. Nothing is validated, as in v0.
pub(crate) fn split(address: &str) -> (&str, &str, &str) {
    match address.split_once('/') {
        Some((v4, rest)) => {
            let v6 = rest.split('/').next().unwrap_or_default();
            (v4, v6, v4)
        }
        None if address.contains(':') => ("", address, address),
        None => (address, "", address),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_table_of_the_contract() {
        assert_eq!(split("1.1.1.1"), ("1.1.1.1", "", "1.1.1.1"));
        assert_eq!(split("2001:db8::4"), ("", "2001:db8::4", "2001:db8::4"));
        assert_eq!(split("203.0.113.7/2001:db8::7"), ("203.0.113.7", "2001:db8::7", "203.0.113.7"));
        assert_eq!(split("/2001:db8::5"), ("", "2001:db8::5", ""));
        assert_eq!(split(""), ("", "", ""));
        assert_eq!(split("a/b/c"), ("a", "b", "a"));
    }
}
