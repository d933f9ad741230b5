//! The certificates that the hub shows to agents and to browsers, and their keys.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use windfire_doctor::Finding;

use super::validity::{Validity, validity};
use crate::config::Config;
use crate::tls::{self, Certificate, KEY};

const DAY_S: i64 = 86_400;
/// Days before a certificate's end at which there is a warning: certificates of public authorities are renewed earlier.
const DAYS_LEFT_WARN: i64 = 14;
/// Rights of users that are neither the owner nor in the file's group.
const WORLD: u32 = 0o007;
const GROUP: u32 = 0o070;

/// What a date that has passed costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dates {
    /// Browsers refuse the certificate.
    Matter,
    /// Agents with `--ca` refuse it, those with `--fingerprint` do not look at dates.
    MatterToSome,
}

/// Whose file a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Hub,
    /// Usually root, or the program that renews it: the hub must be in its group.
    Anybody,
}

/// The certificate by which agents verify the hub.
pub(super) fn agents(data: &Path, now_s: i64) -> Vec<Finding> {
    const CHECK: &str = "agents_certificate";
    let own = match Certificate::own(data) {
        Ok(own) => own,
        // The error has its remedy.
        Err(error) => return vec![lost(CHECK, &error)],
    };
    let valid = validity(own.der());
    let mut findings = match own.for_agents() {
        Ok(_) => vec![judge_dates(CHECK, valid, now_s, Dates::MatterToSome)],
        Err(error) => vec![lost(CHECK, &tls::damaged(data, &error))],
    };
    findings.push(judge_key("agents_key", &data.join(KEY), &mode(&data.join(KEY)), Owner::Hub));
    findings
}

/// The certificate for browsers, if the hub has another one for them.
pub(super) fn https(config: &Config, now_s: i64) -> Vec<Finding> {
    const CHECK: &str = "https_certificate";
    let (true, Some(cert), Some(key)) = (config.https, &config.https_cert, &config.https_key) else {
        return Vec::new();
    };
    let remedy = "put the PEM files there that belong together, readable for the hub's user (https_cert, https_key)";
    let found = Certificate::from_files(cert, key).and_then(|found| {
        let valid = validity(found.der());
        found.certified().map(|_| valid)
    });
    let dates = match found {
        Ok(valid) => judge_dates(CHECK, valid, now_s, Dates::Matter),
        Err(error) => Finding::bad(CHECK, error, remedy),
    };
    vec![dates, judge_key("https_key", key, &mode(key), Owner::Anybody)]
}

/// An error of the hub's own certificate, which has its remedy behind its last colon.
fn lost(check: &'static str, error: &str) -> Finding {
    let (seen, remedy) = error.rsplit_once(": ").unwrap_or((error, "restore it from a backup"));
    Finding::bad(check, seen, remedy)
}

fn judge_dates(check: &'static str, valid: Option<Validity>, now_s: i64, dates: Dates) -> Finding {
    let Some(Validity { from_s, to_s }) = valid else {
        return Finding::info(check, "its dates cannot be read");
    };
    let remedy = "renew it: a running hub shows the new files within a minute";
    let fault = |seen: String| match dates {
        Dates::Matter => Finding::bad(check, seen, remedy),
        Dates::MatterToSome => {
            let remedy = "renew it, or give agents --fingerprint";
            Finding::warn(check, format!("{seen}; agents with --ca refuse it"), remedy)
        }
    };
    let days = |seconds: i64| seconds.div_euclid(DAY_S);
    if now_s < from_s {
        return fault(format!("it is not valid for another {} days", days(from_s - now_s)));
    }
    match to_s.saturating_sub(now_s) {
        left_s if left_s < 0 => fault(format!("it ended {} days ago", days(-left_s))),
        left_s if days(left_s) < DAYS_LEFT_WARN => Finding::warn(check, format!("{} days left", days(left_s)), remedy),
        left_s => Finding::ok(check, format!("{} days left", days(left_s))),
    }
}

fn mode(path: &Path) -> io::Result<u32> {
    fs::metadata(path).map(|found| found.mode())
}

fn judge_key(check: &'static str, path: &Path, mode: &io::Result<u32>, owner: Owner) -> Finding {
    let path = path.display();
    let mode = match mode {
        Ok(mode) => mode & 0o777,
        Err(error) => {
            return Finding::bad(check, format!("{path} cannot be read: {error}"), "run this as the hub's user");
        }
    };
    let seen = format!("{path} has mode {mode:03o}");
    if mode & WORLD != 0 {
        let remedy = match owner {
            Owner::Hub => format!("every user may use it: chmod 600 {path}"),
            Owner::Anybody => {
                format!("every user may use it: give it to the group of the hub's user (chgrp), then chmod 640 {path}")
            }
        };
        Finding::bad(check, seen, remedy)
    } else if mode & GROUP != 0 {
        Finding::info(check, format!("{seen}: its group may use it"))
    } else {
        Finding::ok(check, seen)
    }
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_days() {
        const NOW_S: i64 = 1_795_763_109;
        let of = |from: i64, to: i64| Some(Validity { from_s: NOW_S + from * DAY_S, to_s: NOW_S + to * DAY_S });
        for (valid, dates, verdict, words) in [
            (of(-9, 90), Dates::Matter, Verdict::Ok, "90 days left"),
            (of(-9, 14), Dates::Matter, Verdict::Ok, "14 days left"),
            (of(-9, 13), Dates::Matter, Verdict::Warn, "13 days left"),
            (of(-9, 0), Dates::MatterToSome, Verdict::Warn, "0 days left"),
            (of(-9, -3), Dates::Matter, Verdict::Bad, "3 days ago"),
            (of(-9, -3), Dates::MatterToSome, Verdict::Warn, "--fingerprint"),
            (of(2, 90), Dates::Matter, Verdict::Bad, "another 2 days"),
            (None, Dates::Matter, Verdict::Info, "cannot be read"),
        ] {
            let finding = judge_dates("https_certificate", valid, NOW_S, dates);
            let said = windfire_doctor::text(std::slice::from_ref(&finding));
            assert!(finding.verdict == verdict && said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_key_is_its_owners() {
        let path = Path::new("/srv/windfire/tls/key.pem");
        for (mode, verdict) in [
            (Ok(0o100_600), Verdict::Ok),
            (Ok(0o100_640), Verdict::Info),
            (Ok(0o100_644), Verdict::Bad),
            (Err(io::ErrorKind::NotFound.into()), Verdict::Bad),
        ] {
            for owner in [Owner::Hub, Owner::Anybody] {
                assert_eq!(judge_key("agents_key", path, &mode, owner).verdict, verdict, "{mode:?}");
            }
        }
        // Mode 600 would take a key of root's from the hub.
        let remedy = |owner| judge_key("https_key", path, &Ok(0o100_644), owner).remedy;
        assert!(remedy(Owner::Hub).contains("chmod 600") && remedy(Owner::Anybody).contains("chmod 640"));
    }

    #[test]
    fn a_lost_certificate_comes_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let findings = agents(folder.path(), 0);
        let said = windfire_doctor::text(&findings);
        assert!(findings.len() == 1 && findings[0].verdict == Verdict::Bad, "{said}");
        assert!(findings[0].remedy.contains("put it back") && findings[0].seen.contains("cert.pem"), "{said}");
        Certificate::make(folder.path()).expect("room");
        let findings = agents(folder.path(), 1_795_763_109);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
    }
}
