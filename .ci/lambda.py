"""Checks the functions as they were built for Lambda: the size of each zip in MB, and the C library that it asks for.

    cargo functions --arm64
    python3 .ci/lambda.py target/lambda --most 6.0
    python3 .ci/lambda.py target/lambda --than other/lambda     # and by how much each is larger than elsewhere

Amazon Linux 2023, the system of the runtime `provided.al2023`, has glibc 2.34.
"""
import pathlib
import re
import sys
import zlib

GLIBC = (2, 34)
# What a program carries beside code, in MB of its zip: the weights of the face model, and a font.
DATA = {"process": 1.1, "render-image": 0.2}


def zipped(program):
    """The size of a program's zip, in MB: `sam package` deflates."""
    return len(zlib.compress(program.read_bytes())) / 1e6


def glibc(program):
    """The newest version of glibc's symbols that a program names."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", program.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def main(folder, *options):
    options = dict(zip(options[::2], options[1::2]))
    most, other = float(options.get("--most", "inf")), options.get("--than")
    programs = sorted(pathlib.Path(folder).glob("*/bootstrap"))
    if not programs:
        sys.exit(f"{folder} holds no function: cargo functions --arm64")
    problems, total, total_other = [], 0, 0
    for program in programs:
        name, size, newest = program.parent.name, zipped(program), glibc(program)
        line = f"{name:18} {size:6.2f} MB  glibc {newest[0]}.{newest[1]}"
        if other:
            before = zipped(pathlib.Path(other) / name / "bootstrap")
            line += f"  {size / before:6.1%} of {before:.2f} MB"
            total, total_other = total + size, total_other + before
        print(line)
        if size > most + DATA.get(name, 0):
            problems.append(f"{name}: {size:.2f} MB are more than {most + DATA.get(name, 0):.1f}")
        if newest > GLIBC:
            problems.append(f"{name}: glibc {newest[0]}.{newest[1]} is newer than Lambda's {GLIBC[0]}.{GLIBC[1]}")
    if other:
        print(f"all: {total / total_other:.1%} of {total_other:.2f} MB")
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])
