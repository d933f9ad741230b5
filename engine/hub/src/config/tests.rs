use std::collections::BTreeSet;

use super::*;

/// The file of the packages, in which every key is a comment.
const PACKAGED: &str = include_str!("../../package/windfire.toml");

/// A key that is a comment has no blank after its mark. Other comments have one.
fn key_of(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("windfire.toml");
    fs::write(&path, "http = \"0.0.0.0:80\"\ncommit_interval_ms = 20\ndata = \"/var/lib/windfire\"\n")
        .expect("written");
    let place = Place { config: Some(path), data: None };
    let given = Settings { commit_interval_ms: Some(5), ..Settings::default() };
    let config = Config::load(&place, given).expect("valid");
    assert_eq!((config.http.port(), config.commit_interval_ms, config.quic.port()), (80, 5, 5555));
    assert_eq!(config.data, Path::new("/var/lib/windfire"));
}

#[test]
fn what_is_wrong_in_the_file_is_shown_where_it_stands_with_what_is_right() {
    for (text, line, words) in [
        ("# a comment\nhtpp = \"127.0.0.1:1\"\n", 2, "key \"htpp\" is unknown: did you mean \"http\"?"),
        ("commit-interval-ms = 5\n", 1, "did you mean \"commit_interval_ms\"?"),
        ("listen = \"127.0.0.1:1\"\n", 1, "key \"listen\" is unknown: the keys are data, http, quic,"),
        ("[server]\nname = \"x\"\n", 1, "key \"server\" is unknown"),
        ("\n\ncommit_interval_ms = \"20\"\n", 3, "write a whole number, without quotes"),
        ("commit_interval_ms = 20ms\n", 1, ""),
        ("report_interval_s = -1\n", 1, "within the key's bounds"),
        ("report_interval_s = 1.5\n", 1, "write a whole number"),
        ("guests = \"yes\"\n", 1, "write true or false, without quotes"),
        ("log = 3\n", 1, "write it in quotes"),
        ("data = [\"a\"]\n", 1, "write it in quotes"),
        ("log = info\n", 1, ""),
        ("log = \"a\"\nlog = \"b\"\n", 2, "duplicate key"),
        ("log = \"never ends\n", 1, ""),
    ] {
        let error = parse(text).expect_err("wrong");
        assert!(error.starts_with(&format!("line {line}, column ")), "{text:?}: {error}");
        assert!(error.contains(&format!("\n{line} | ")) && error.contains('^'), "{text:?}: {error}");
        assert!(error.lines().next().is_some_and(|first| first.contains(words)), "{text:?}: {error}");
    }
}

#[test]
fn values_out_of_bounds_are_refused() {
    for text in [
        "commit_interval_ms = 0",
        "report_interval_s = 61",
        "https_cert = \"a\"",
        "raw_retention_days = 0",
        "memory_bytes_max = 1000000",
        "cookie_name = \"a b\"",
        "report_interval_s = 20",
        "offline_after_s = 15\nsamples_per_frame = 10",
        "alert_interval_s = 0",
        "alert_interval_s = 61",
        "alert_grace_s = 3601",
        "group_wait_s = 3601",
        "group_interval_s = 3601",
        "hsts_max_age_s = 1",
        "https = true\nhsts_max_age_s = 1",
        "https = true\nhttps_cert = \"a\"\nhttps_key = \"b\"\nhsts_max_age_s = 63072001",
        "public_url = \"hub.example.org\"",
        "public_url = \"https:///alerts\"",
        "public_url = \"https://hub.example.org/?a=b\"",
        "public_url = \"https://hub.example.org/a b\"",
        "public_url = \"https://hub.example.org\"\nbase_path = \"/windfire/\"",
    ] {
        let settings = parse(text).expect("well-formed");
        assert!(Config::load(&Place::default(), settings).is_err(), "{text}");
    }
    for text in ["report_interval_s = 15", "offline_after_s = 5", "offline_after_s = 20\nsamples_per_frame = 10"] {
        let settings = parse(text).expect("well-formed");
        assert!(Config::load(&Place::default(), settings).is_ok(), "{text}");
    }
}

#[test]
fn links_begin_with_the_address_as_it_is_written() {
    let url = |text: &str| Config::load(&Place::default(), parse(text)?).map(|config| config.public_url);
    for (text, expected) in [
        ("", None),
        ("public_url = \"\"", None),
        ("public_url = \" https://hub.example.org:8443/ \"", Some("https://hub.example.org:8443")),
        ("public_url = \"http://[::1]:8008/windfire/\"", Some("http://[::1]:8008/windfire")),
    ] {
        assert_eq!(url(text), Ok(expected.map(str::to_owned)), "{text}");
    }
}

#[test]
fn the_path_of_the_panel_is_read_with_or_without_its_slashes() {
    let path = |text: &str| Config::load(&Place::default(), parse(text)?).map(|config| config.base_path.to_string());
    for (text, expected) in [
        ("", "/"),
        ("base_path = \"\"", "/"),
        ("base_path = \"/\"", "/"),
        ("base_path = \" windfire \"", "/windfire/"),
        ("base_path = \"/windfire\"\npublic_url = \"https://hub.example.org/windfire/\"", "/windfire/"),
    ] {
        assert_eq!(path(text), Ok(expected.to_owned()), "{text}");
    }
    let error = path("base_path = \"/a/../b/\"").expect_err("dots");
    assert!(error.lines().next().is_some_and(|first| first.contains("has '.'")), "{error}");
}

#[test]
fn addresses_in_the_file_are_read_as_those_on_the_command_line() {
    let http = |text: &str| parse(text).map(|settings| settings.http.map(|address| address.to_string()));
    assert_eq!(http("http = \"localhost:80\""), Ok(Some("127.0.0.1:80".to_owned())));
    assert_eq!(http("http = 18208"), Ok(Some("127.0.0.1:18208".to_owned())));
    assert_eq!(http(""), Ok(None));
    let error = http("http = \":8008\"").expect_err("two meanings");
    assert!(error.lines().next().is_some_and(|first| first.contains("0.0.0.0:8008")), "{error}");
    assert!(http("http = true").expect_err("no address").contains("port"));
}

#[test]
fn what_the_file_leaves_empty_is_not_given() {
    let keys = [
        "data",
        "http",
        "quic",
        "https_cert",
        "https_key",
        "cookie_name",
        "cors_origin",
        "country_db",
        "log",
        "log_format",
        "trusted_proxies",
        "base_path",
    ];
    let empty: String = keys.iter().map(|key| format!("{key} = \"\"\n")).collect();
    let config = Config::load(&Place::default(), parse(&empty).expect("as if nothing was there")).expect("valid");
    let usual = Config::load(&Place::default(), Settings::default()).expect("valid");
    assert_eq!(format!("{config:?}"), format!("{usual:?}"));
    let agents = |text: &str| parse(text).map(|settings| settings.agents_address);
    assert_eq!(agents("agents_address = \"\""), Ok(None));
    assert_eq!(agents("agents_address = \"a, b:1\""), Ok(Some("a,b:1".to_owned())));
    assert!(agents("agents_address = \"https://hub\"").expect_err("a web address").contains("hub:5555"));
}

#[test]
fn a_fault_beside_what_is_empty_still_has_its_line_and_its_key() {
    for (text, line, key) in [
        ("cors_origin = \"\"\n\noffline_after_s = \"60\"\n", "line 3, column 19", "offline_after_s"),
        ("\"log\" = ''' '''\nguests = 1\nhttp = \"\" # all\n", "line 2, column 10", "guests"),
        ("data = \"\"\"\n\n\"\"\"\nhtpp = 1\n", "line 4, column 1", "htpp"),
        ("log = \"\u{feff}\"\nquic = true\n", "line 2, column 8", "quic"),
    ] {
        let error = parse(text).expect_err("a fault");
        assert!(error.starts_with(line) && error.contains(key), "{text}: {error}");
    }
    assert!(parse("log = ''\nlog = ''\n").is_err(), "a key that is given twice is a fault, empty or not");
    let many: String = (0..50_000).map(|number| format!("k{number}=''\n")).collect();
    assert!(parse(&many).is_ok(), "as if none was there");
}

#[test]
fn a_value_in_the_filter_of_the_log_is_no_pattern() {
    // As a pattern this one is not closed, and others take minutes to read.
    let config = Config::load(&Place::default(), parse("log = \"info[{a=(}]\"").expect("TOML"));
    assert!(config.is_ok_and(|config| config.log_filter().is_ok()));
}

#[test]
fn the_format_of_the_log_is_one_of_two() {
    let format = |text: &str| Config::load(&Place::default(), parse(text)?).map(|config| config.log_format);
    assert_eq!(format(""), Ok(LogFormat::Text));
    assert_eq!(format("log_format = \" JSON\""), Ok(LogFormat::Json));
    assert!(format("log_format = \"xml\"").expect_err("none").contains("must be one of text, json"));
}

#[test]
fn proxies_are_a_list_or_a_text_and_none_are_trusted_by_default() {
    let shown = |text: &str| {
        let config = Config::load(&Place::default(), parse(text)?)?;
        Ok::<_, String>(serde_json::json!(config.trusted_proxies).to_string())
    };
    assert_eq!(shown(""), Ok("[]".to_owned()));
    assert_eq!(shown("trusted_proxies = []"), Ok("[]".to_owned()));
    for text in ["trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]", "trusted_proxies = \"127.0.0.1, 10.0.0.0/8\""] {
        assert_eq!(shown(text), Ok("[\"127.0.0.1/32\",\"10.0.0.0/8\"]".to_owned()), "{text}");
    }
    for (text, words) in [
        ("trusted_proxies = [\"proxy\"]", "\"proxy\" is neither"),
        ("trusted_proxies = [\"0.0.0.0/0\"]", "every address"),
        ("trusted_proxies = [1]", "each in quotes"),
        ("trusted_proxies = true", "each in quotes"),
    ] {
        assert!(shown(text).expect_err(text).contains(words), "{text}");
    }
    let many = format!("trusted_proxies = [{}]", "\"::1\",".repeat(65));
    assert!(shown(&many).expect_err("too many").contains("limit of 64"));
}

#[test]
fn browsers_are_told_to_stay_with_https_only_if_asked() {
    let hsts = |more: &str| {
        let text = format!("https = true\nhttps_cert = \"a\"\nhttps_key = \"b\"\n{more}");
        Config::load(&Place::default(), parse(&text)?).map(|config| config.hsts())
    };
    assert_eq!(hsts(""), Ok(None));
    assert_eq!(hsts("hsts_max_age_s = 31536000"), Ok(Some(HeaderValue::from_static("max-age=31536000"))));
}

#[test]
fn the_file_of_the_packages_has_every_key_and_sets_none() {
    let text: Vec<&str> = PACKAGED.lines().filter_map(key_of).collect();
    let shown: Vec<&str> = text.iter().filter_map(|line| line.split(" = ").next()).collect();
    let mut known: BTreeSet<String> = Settings::augment_args(clap::Command::default())
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(|name| name.replace('-', "_")))
        .collect();
    known.insert("data".to_owned());
    assert_eq!(shown.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>(), known);
    assert_eq!(shown.len(), known.len(), "each key once: {shown:?}");
    let json = |text: &str| {
        let config = Config::load(&Place::default(), parse(text).expect("well-formed")).expect("valid");
        serde_json::to_value(config).expect("JSON")
    };
    let (usual, set, packaged) = (json(""), json(&text.join("\n")), json(PACKAGED));
    assert_eq!(packaged, usual, "the file sets nothing as long as its keys are comments");
    for (key, value) in usual.as_object().expect("keys") {
        // These are examples: their defaults depend on the machine, or do nothing.
        if !["data", "https", "memory_bytes_max", "first_password_file"].contains(&key.as_str()) {
            assert_eq!(&set[key], value, "the file shows another default of {key}");
        }
    }
}

#[test]
fn a_file_for_the_first_password_can_be_named() {
    let file = |text: &str| Config::load(&Place::default(), parse(text)?).map(|config| config.first_password_file);
    let path = PathBuf::from("/var/lib/hub/first");
    assert_eq!(file("first_password_file = \"/var/lib/hub/first\""), Ok(Some(path.clone())));
    let given = Settings { first_password_file: Some(path.clone()), ..Settings::default() };
    assert_eq!(Config::load(&Place::default(), given).map(|config| config.first_password_file), Ok(Some(path)));
}

#[test]
fn brokers_are_a_list_or_a_text_and_need_a_hub_id() {
    let shown = |text: &str| {
        let config = Config::load(&Place::default(), parse(text)?)?;
        Ok::<_, String>(serde_json::to_value(config).expect("JSON")["cluster_nats"].to_string())
    };
    assert_eq!(shown(""), Ok("null".to_owned()));
    for text in ["cluster_nats = [\"nats://a:1\", \"b:2\"]", "cluster_nats = \"nats://a:1, b:2\""] {
        let text = format!("{text}\ncluster_hub_id = \"a\"");
        assert_eq!(shown(&text), Ok("[\"nats://a:1\",\"b:2\"]".to_owned()), "{text}");
    }
    assert!(shown("cluster_nats = 4222").expect_err("no address").contains("each in quotes"));
    assert!(shown("cluster_nats = \"a:1\"").expect_err("no id").contains("cluster_hub_id is not"));
}
