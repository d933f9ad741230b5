//! The distribution and its version, from the files with which distributions describe themselves.

use super::files;
use super::root::Root;

/// The platform of a machine that has no such file.
const UNNAMED: &str = "linux";

/// Id and version. They are on a disk, which may hang.
pub(super) fn platform(root: &Root) -> (String, String) {
    let text = |path: &str| files::text(&root.contents(path));
    // The second is the first one's usual target. A host's link may lead to it by more than one step.
    let release = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(text).unwrap_or_default();
    let id = value(&release, "ID=").unwrap_or_else(|| UNNAMED.to_owned());
    // Not every distribution has a version there.
    let version = value(&release, "VERSION_ID=").or_else(|| value(&text("/etc/lsb-release")?, "DISTRIB_RELEASE="));
    (id, version.unwrap_or_default())
}

/// The value of the line that begins so, without its quotes.
fn value(text: &str, begin: &str) -> Option<String> {
    Some(text.lines().find_map(|line| line.strip_prefix(begin))?.replace(['"', '\''], ""))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn both(id: &str, version: &str) -> (String, String) {
        (id.to_owned(), version.to_owned())
    }

    #[test]
    fn a_distribution_describes_itself_in_one_of_three_files() {
        let tree = Tree::of(&[]);
        assert_eq!(platform(&tree.machine()), both("linux", ""));
        tree.put("/etc/lsb-release", "DISTRIB_ID=Arch\nDISTRIB_RELEASE=\"rolling\"\n");
        tree.put("/usr/lib/os-release", "NAME=\"Arch Linux\"\nID=arch\n");
        assert_eq!(platform(&tree.machine()), both("arch", "rolling"));
        tree.put("/etc/os-release", "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID_LIKE=x\nID='debian'\n");
        assert_eq!(platform(&tree.machine()), both("debian", "12"));
    }

    #[test]
    fn a_hosts_link_leads_to_the_hosts_file() {
        let tree = Tree::of(&[
            ("/etc/os-release", "->/nosuch/os-release"),
            ("/nosuch/os-release", "ID=example\nVERSION_ID=7\n"),
        ]);
        assert_eq!(platform(&tree.host()), both("example", "7"));
        assert_eq!(platform(&tree.machine()), both("linux", ""), "the link of this machine leads nowhere");
    }
}
