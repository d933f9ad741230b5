"""What cargo says is inside the hub and the agent."""
import os
import re
import subprocess
import sys

CARGO = os.environ.get("CARGO", "cargo")
PROGRAMS = {"windfire-hub": "windfire", "windfire-agent": "windfire-agent"}
# `name v1.2.3 (proc-macro) (/folder of a member)`, licence, repository, and a star where its dependencies were printed.
LINE = re.compile(r"(\d+)(\S+) v(\S+?)( \(proc-macro\))?( \([^\t]*\))?\t([^\t]*)\t([^\t]*)\t(?: \(\*\))?")


def output(*command):
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"programs: {' '.join(command)} failed")
    return ran.stdout


def host():
    """The platform of this machine."""
    return re.search(r"^host: (\S+)$", output("rustc", "-vV"), flags=re.M)[1]


def tree(edges, target):
    """The crates of all programs, each with its licence and its repository, and which ones each of them needs."""
    command = [CARGO, "tree", "--locked", "--target", target, "--edges", edges]
    command += ["--prefix", "depth", "--format", "{p}\t{l}\t{r}\t"]
    for package in PROGRAMS:
        command += ["--package", package]
    crates, needs, above = {}, {}, []
    for line in output(*command).splitlines():
        if not line:
            continue
        if not (found := LINE.fullmatch(line)):
            sys.exit(f"programs: this line of cargo tree is not understood: {line!r}")
        depth, crate = int(found[1]), (found[2], found[3])
        crates[crate] = (found[6], found[7])
        needs.setdefault(crate, set())
        del above[depth:]
        if above:
            needs[above[-1]].add(crate)
        above.append(crate)
    return crates, needs


def reached(start, needs):
    """What `start` needs, itself included."""
    found, rest = {start}, [start]
    while rest:
        more = needs.get(rest.pop(), set()) - found
        found |= more
        rest += more
    return found
