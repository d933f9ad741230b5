#!/usr/bin/env python3
"""Writes a wheel with one program in it, which pip and pipx put where their commands are.

wheel.py PROGRAM VERSION SUMMARY README PLATFORM FOLDER

Nothing in it depends on the machine or the hour: SOURCE_DATE_EPOCH is the time of every entry."""
import base64
import hashlib
import os
import sys
import time
import zipfile
from pathlib import Path

# zip has no earlier time.
EPOCH_MIN = 315532800


def moment():
    return time.gmtime(max(EPOCH_MIN, int(os.environ["SOURCE_DATE_EPOCH"])))[:6]


def digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def metadata(name, version, summary, readme):
    head = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {summary}",
        "License-Expression: Apache-2.0",
        "License-File: LICENSE",
        "Requires-Python: >=3.7",
        "Classifier: Operating System :: POSIX :: Linux",
        "Classifier: Topic :: System :: Monitoring",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(head) + "\n\n" + readme


def main():
    program, version, summary, readme, platform, folder = sys.argv[1:]
    name = Path(program).name
    # The escaped name, as file names of wheels have it.
    base = f"{name.replace('-', '_')}-{version}"
    tag = f"py3-none-{platform}"
    files = {
        f"{base}.data/scripts/{name}": (Path(program).read_bytes(), 0o755),
        f"{base}.dist-info/licenses/LICENSE": (Path("LICENSE").read_bytes(), 0o644),
        f"{base}.dist-info/METADATA": (metadata(name, version, summary, Path(readme).read_text()).encode(), 0o644),
        f"{base}.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: windfire\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
            0o644,
        ),
    }
    record = f"{base}.dist-info/RECORD"
    lines = [f"{path},{digest(content)},{len(content)}" for path, (content, _) in files.items()]
    files[record] = ("\n".join([*lines, f"{record},,"]).encode() + b"\n", 0o644)
    wheel = Path(folder) / f"{base}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, (content, mode) in files.items():
            entry = zipfile.ZipInfo(path, moment())
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


main()
