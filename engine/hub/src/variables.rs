//! The environment: which variables are the hub's, which other tools set, and how values are read.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::num::ParseIntError;
use std::str::FromStr;

use clap::builder::Resettable;
use clap::{Command, Parser};
use strsim::osa_distance;

/// Prefix of every variable of the hub and of the agent.
const PREFIX: &str = "WINDFIRE_";

/// Variables of the agent. A machine that runs both programs may have them in the hub's environment too.
const AGENT_VARIABLES: [&str; 18] = [
    "WINDFIRE_HUB",
    "WINDFIRE_FINGERPRINT",
    "WINDFIRE_CA",
    "WINDFIRE_CREDENTIAL",
    "WINDFIRE_CREDENTIAL_FILE",
    "WINDFIRE_ENROL",
    "WINDFIRE_ENROL_FILE",
    "WINDFIRE_NAME",
    "WINDFIRE_MACHINE",
    "WINDFIRE_INTERVAL_S",
    "WINDFIRE_SPOOL",
    "WINDFIRE_SPOOL_BYTES_MAX",
    "WINDFIRE_IP",
    "WINDFIRE_TEMPERATURE",
    "WINDFIRE_GPU",
    "WINDFIRE_HOST_ROOT",
    "WINDFIRE_LOG",
    "WINDFIRE_LOG_FORMAT",
];

/// Variables that have another name now, and this name. The earlier one still works.
const EARLIER_NAMES: [(&str, &str); 1] = [("WINDFIRE_AGENT_THREADS", "WINDFIRE_LISTENERS")];

/// Letters by which a misspelt name may differ from the one that was meant.
const MISSPELT_LETTERS_MAX: usize = 2;

/// Reads the command line. An empty variable counts as unset, because some tools cannot leave one out.
pub(crate) fn read_command_line<C: Parser>() -> Result<C, clap::Error> {
    let mut command = without_blanks(C::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    C::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn without_blanks(command: Command) -> Command {
    let is_given = |name: &OsStr| std::env::var(name).is_ok_and(|value| !plain(&value).is_empty());
    let is_blank = |name: &OsStr| std::env::var_os(name).is_some() && !is_given(name);
    let command = command.mut_args(|arg| {
        let name = arg.get_env().map(OsStr::to_owned);
        let earlier = EARLIER_NAMES.iter().find(|(_, now)| name.as_deref() == Some(OsStr::new(now)));
        match (name.as_deref(), earlier) {
            (Some(name), Some((earlier, _))) if !is_given(name) && is_given(OsStr::new(earlier)) => arg.env(earlier),
            (Some(name), _) if is_blank(name) => arg.env(Resettable::Reset),
            _ => arg,
        }
    });
    command.mut_subcommands(without_blanks)
}

/// Refuses unknown variables with our prefix: a misspelt one would have no effect, without a warning. Returns the names
/// of those that other tools set.
pub(crate) fn check<C: Parser>(variables: impl Iterator<Item = (String, String)>) -> Result<Vec<String>, String> {
    let mut known: Vec<String> = AGENT_VARIABLES.map(str::to_owned).into();
    known.extend(EARLIER_NAMES.map(|(earlier, _)| earlier.to_owned()));
    collect_names(&C::command(), &mut known);
    let mut ignored = Vec::new();
    for (name, value) in variables.filter(|(name, _)| name.starts_with(PREFIX)) {
        if known.contains(&name) || plain(&value).is_empty() {
            continue;
        }
        if !comes_by_itself(&name, &value) {
            let meant = known.iter().map(|known| (osa_distance(known, &name), known)).min();
            let hint = match meant {
                Some((letters, meant)) if letters <= MISSPELT_LETTERS_MAX => format!("did you mean {meant}?"),
                _ => "\"windfire serve --help\" lists all variables".to_owned(),
            };
            return Err(format!("variable {name} is unknown: {hint}"));
        }
        ignored.push(name);
    }
    Ok(ignored)
}

fn collect_names(command: &Command, names: &mut Vec<String>) {
    names.extend(command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned)));
    command.get_subcommands().for_each(|command| collect_names(command, names));
}

/// Whether Kubernetes or Docker set that variable. Kubernetes sets some in every container for each Service, and Docker
/// for each link. They have our prefix when the Service or the container is called `windfire`.
fn comes_by_itself(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    // WINDFIRE_ENV_…: the environment of a container that is linked under our name.
    if rest.starts_with("ENV_") {
        return true;
    }
    // A longer name, such as that of a Service "windfire-hub", has the same endings.
    let behind = |word: &str| match rest.strip_prefix(word) {
        Some(after) => Some(after),
        None => rest.split_once(&format!("_{word}")).map(|(_, after)| after),
    };
    let is_part = |after: &str| after.is_empty() || after.starts_with('_');
    if behind("SERVICE_HOST") == Some("") || behind("SERVICE_PORT").is_some_and(is_part) {
        return true;
    }
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    match behind("PORT") {
        Some("") => is_address,
        Some(after) => is_port_of_service(after),
        None => false,
    }
}

/// `_8008_TCP`, `_8008_TCP_PROTO`, `_8008_TCP_PORT`, `_8008_TCP_ADDR`.
fn is_port_of_service(text: &str) -> bool {
    let parts: Vec<&str> = text.split('_').collect();
    let (number, protocol, what) = match parts.as_slice() {
        ["", number, protocol] => (*number, *protocol, ""),
        // Docker sets these for a range of ports.
        ["", number, protocol, what] => (*number, *protocol, *what),
        _ => return false,
    };
    number.parse::<u16>().is_ok()
        && matches!(protocol, "TCP" | "UDP" | "SCTP")
        && matches!(what, "" | "PROTO" | "PORT" | "ADDR")
}

/// Invisible characters that editors, shells and tools leave around a text.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// The text without blanks, byte order mark and one pair of quotes around it. `docker run --env-file` does not remove
/// quotes.
pub(crate) fn plain(text: &str) -> &str {
    let text = text.trim_matches(is_unseen);
    let unquoted = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.unwrap_or(text).trim_matches(is_unseen)
}

/// A text that is not blank.
pub(crate) fn some_text(text: &str) -> Result<String, String> {
    match plain(text) {
        "" => Err("it is empty: give a text, or leave the option out".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// A whole number without a unit.
pub(crate) fn number<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    some_text(text)?.parse().map_err(|error| format!("{error}: write a whole number, without a unit"))
}

/// Refuses a number that is out of its bounds.
pub(crate) fn within(key: &str, value: u64, min: u64, max: u64) -> Result<(), String> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(format!("{key} = {value} is not within {min} to {max}")) }
}

/// Yes or no, as people write it.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match plain(text).to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" | "enabled" => Ok(true),
        "0" | "false" | "no" | "off" | "n" | "f" | "disabled" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no: write true or false")),
    }
}

/// Where to listen: an address, a port, or both. `usual` fills in the missing part. A text with exactly one meaning is
/// accepted.
pub(crate) fn listen_address(text: &str, usual: SocketAddr) -> Result<SocketAddr, String> {
    let given = plain(text);
    let wrong = |why: &str| Err(format!("{given:?} {why}"));
    let form = format!("write ADDRESS:PORT, such as {usual} or 0.0.0.0:{}", usual.port());
    let at = |ip: IpAddr| SocketAddr::new(ip, usual.port());
    if given.contains("://") || given.contains('/') {
        return wrong(&format!("is a web address, but the hub listens at an address of this machine: {form}"));
    }
    if let Some(address) = given.parse().ok().or_else(|| given.parse().ok().map(at)) {
        return Ok(address);
    }
    if let Some(ip) = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.parse().ok()) {
        return Ok(at(IpAddr::V6(ip)));
    }
    let port_of = |port: &str| port.parse().ok().filter(|_: &u16| port.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(port) = port_of(given) {
        return Ok(SocketAddr::new(usual.ip(), port));
    }
    match given.rsplit_once(':') {
        _ if given.is_empty() => wrong(&format!("is empty: {form}")),
        _ if given.contains('%') => zoned(given, usual.port()).or_else(|why| wrong(&why)),
        _ if given.eq_ignore_ascii_case("localhost") => Ok(at(Ipv4Addr::LOCALHOST.into())),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") && port_of(port).is_some() => {
            Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port_of(port).unwrap_or_default()))
        }
        Some((host, port)) if matches!(host, "" | "*") && port_of(port).is_some() => wrong(&format!(
            "does not say where to listen: write 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for others too, \
             [::]:{port} for IPv6 as well"
        )),
        Some((host, port)) if host.parse::<IpAddr>().is_ok() => {
            wrong(&format!("has {port:?} after its last colon, not a port: write 0 to 65535, where 0 is any free one"))
        }
        _ => wrong(&format!("is no address of this machine (a name may have several): {form}")),
    }
}

/// A link-local address with its interface.
fn zoned(text: &str, port: u16) -> Result<SocketAddr, String> {
    let (inside, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, "")) => (inside, Some(port)),
        Some((inside, behind)) => (inside, behind.strip_prefix(':').and_then(|port| port.parse().ok())),
        None => (text, Some(port)),
    };
    let port = port.ok_or("has no port after its bracket: write [fe80::1%eth0]:PORT")?;
    // Any other text would be looked up as a name, and a start would wait for a name server.
    let is_address = inside.split_once('%').is_some_and(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok());
    let found = is_address.then(|| (inside, port).to_socket_addrs().ok()?.next()).flatten();
    found.ok_or_else(|| "has no address, or an interface that does not exist: write [fe80::1%eth0]:PORT".to_owned())
}

/// Where agents reach the hub, as the panel shows it: hosts with or without ports, separated by commas.
pub(crate) fn agents_address(text: &str) -> Result<String, String> {
    let items = text.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
    let items = items.map(|item| plain(item).trim_matches(['"', '\'']));
    let items: Vec<&str> = items.filter(|item| !item.is_empty()).collect();
    if items.is_empty() {
        return Err("it is empty: write host:port, or leave it out".to_owned());
    }
    for item in &items {
        if item.contains('/') {
            let (_, host) = item.split_once("://").unwrap_or(("", item));
            let host = host.split(['/', ':']).next().unwrap_or_default();
            return Err(format!(
                "{item:?} is a web address: write the host and UDP port for agents, such as {host}:5555"
            ));
        }
        // People paste it into a shell, as a part of commands.
        if let Some(c) = item.chars().find(|c| !c.is_ascii_alphanumeric() && !".-_:[]%".contains(*c)) {
            return Err(format!("{item:?} has {c:?} in it: write host:port, such as hub.example:5555"));
        }
    }
    Ok(items.join(","))
}

/// The same, with the hub's port for each host without one. Agents would use their default port instead.
pub(crate) fn with_ports(agents_address: &str, port: u16) -> String {
    let with_port = |item: &str| {
        let has_port = match item.rsplit_once(']') {
            Some((_, behind)) => behind.starts_with(':'),
            None => item.contains(':'),
        };
        // An IPv6 address without brackets.
        match item.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            _ if has_port => item.to_owned(),
            _ => format!("{item}:{port}"),
        }
    };
    agents_address.split(',').map(with_port).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn checked(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        check::<Cli>(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn what_comes_by_itself_is_passed_over() {
        for (name, value) in [
            ("WINDFIRE_SERVICE_HOST", "10.0.0.5"),
            ("WINDFIRE_SERVICE_PORT", "8008"),
            ("WINDFIRE_SERVICE_PORT_HTTP", "8008"),
            ("WINDFIRE_SERVICE_PORT_AGENTS_UDP", "5555"),
            ("WINDFIRE_PORT", "tcp://10.0.0.5:8008"),
            ("WINDFIRE_PORT", "udp://10.0.0.5:5555"),
            ("WINDFIRE_PORT_8008_TCP", "tcp://10.0.0.5:8008"),
            ("WINDFIRE_PORT_8008_TCP_PROTO", "tcp"),
            ("WINDFIRE_PORT_8008_TCP_PORT", "8008"),
            ("WINDFIRE_PORT_8008_TCP_ADDR", "10.0.0.5"),
            ("WINDFIRE_PORT_5555_UDP_ADDR", "fd00::5"),
            ("WINDFIRE_HUB_SERVICE_HOST", "10.0.0.5"),
            ("WINDFIRE_HUB_PORT", "tcp://10.0.0.5:8008"),
            ("WINDFIRE_HUB_PORT_5555_UDP", "udp://10.0.0.5:5555"),
            ("WINDFIRE_HTTP_PORT_80_TCP_PORT", "80"),
            ("WINDFIRE_EU_WEST_1_SERVICE_PORT_QUIC", "5555"),
            ("WINDFIRE_ENV_PATH", "/bin"),
        ] {
            assert_eq!(checked(&[(name, value)]), Ok(vec![name.to_owned()]), "{name}={value}");
        }
    }

    #[test]
    fn what_somebody_misspelt_is_refused_with_what_was_meant() {
        for (name, value, word) in [
            ("WINDFIRE_COMIT_INTERVAL_MS", "5", "did you mean WINDFIRE_COMMIT_INTERVAL_MS?"),
            ("WINDFIRE_HTPP", "8008", "did you mean WINDFIRE_HTTP?"),
            ("WINDFIRE_GUEST", "no", "did you mean WINDFIRE_GUESTS?"),
            ("WINDFIRE_PORT", "8008", "--help"),
            ("WINDFIRE_HTTP_PORT", "8008", "--help"),
            ("WINDFIRE_PORT_8008", "x", "--help"),
            ("WINDFIRE_PORT_HTTP_TCP", "x", "--help"),
            ("WINDFIRE_SERVICE", "x", "--help"),
            ("WINDFIRE_RETENTION", "30", "--help"),
        ] {
            let error = checked(&[("WINDFIRE_DATA", "d"), (name, value)]).expect_err(name);
            assert!(error.contains(name) && error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_is_known_or_blank_or_of_others_is_no_fault() {
        for (name, value) in [
            ("WINDFIRE_HTTP", "127.0.0.1:1"),
            ("WINDFIRE_CONFIG", "f"),
            ("WINDFIRE_CREDENTIAL", "c"),
            ("WINDFIRE_HUB", "hub:5555"),
            ("WINDFIRE_NO_SUCH_THING", ""),
            ("WINDFIRE_NO_SUCH_THING", " \n"),
            ("NOT_WINDFIRE_AT_ALL", "x"),
        ] {
            assert_eq!(checked(&[(name, value)]), Ok(vec![]), "{name}={value:?}");
        }
    }

    #[test]
    fn where_to_listen_is_read_as_people_write_it() {
        let usual: SocketAddr = "127.0.0.1:8008".parse().expect("an address");
        for (text, address) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            (" 0.0.0.0:80\n", "0.0.0.0:80"),
            ("\"0.0.0.0:80\"", "0.0.0.0:80"),
            ("18208", "127.0.0.1:18208"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0", "0.0.0.0:8008"),
            ("::", "[::]:8008"),
            ("[::]", "[::]:8008"),
            ("[::1]:80", "[::1]:80"),
            ("localhost", "127.0.0.1:8008"),
            ("localhost:80", "127.0.0.1:80"),
            ("LOCALHOST:0", "127.0.0.1:0"),
            ("[fe80::1%7]:80", "[fe80::1%7]:80"),
        ] {
            assert_eq!(
                listen_address(text, usual).map(|address| address.to_string()),
                Ok(address.to_owned()),
                "{text:?}"
            );
        }
        for (text, word) in [
            ("", "empty"),
            (":8008", "0.0.0.0:8008 for others"),
            ("*:80", "[::]:80"),
            ("hub.example:80", "no address of this machine"),
            ("http://0.0.0.0:80", "web address"),
            ("0.0.0.0:80/", "web address"),
            ("0.0.0.0:http", "\"http\""),
            ("0.0.0.0:70000", "\"70000\""),
            ("70000", "no address"),
            ("+80", "no address"),
            ("localhost:http", "no address"),
            ("[fe80::1%no-such-if]:80", "interface"),
        ] {
            let error = listen_address(text, usual).expect_err(text);
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn where_agents_find_the_hub_is_shown_with_a_port() {
        for (text, shown) in [
            ("hub.example:6000", "hub.example:6000"),
            ("hub.example", "hub.example:7777"),
            (" \"a, b:1\" ", "a:7777,b:1"),
            ("[2001:db8::1]", "[2001:db8::1]:7777"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
            ("2001:db8::1", "[2001:db8::1]:7777"),
        ] {
            assert_eq!(
                agents_address(text).map(|address| with_ports(&address, 7777)),
                Ok(shown.to_owned()),
                "{text:?}"
            );
        }
        for (text, word) in
            [("", "empty"), (" , ", "empty"), ("https://hub:8008", "hub:5555"), ("$(reboot)", "'$'"), ("a&b", "'&'")]
        {
            assert!(agents_address(text).expect_err(text).contains(word), "{text:?}");
        }
    }

    #[test]
    fn yes_no_and_numbers_are_read_as_people_write_them() {
        for (text, is_true) in
            [("1", true), ("TRUE", true), ("on", true), (" yes\n", true), ("0", false), ("'off'", false)]
        {
            assert_eq!(truth(text), Ok(is_true), "{text:?}");
        }
        assert!(truth("maybe").is_err() && truth("").is_err());
        assert_eq!(number::<u32>(" \"30\"\n"), Ok(30));
        for wrong in ["", "30d", "1.5", "-1", "1_000"] {
            assert!(number::<u32>(wrong).is_err(), "{wrong:?}");
        }
    }
}
