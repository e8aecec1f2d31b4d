"""What pip is asked for, and the requirement list as far as that needs it."""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REFUSED = "/dev/shm/traceless-refused"
OPTIONS = (
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--no-index",
    "--trusted-host",
    "--pre",
    "--prefer-binary",
)


def fail(code, subject=""):
    """Ends the step with a line that the build line reads. The subject may be a package's own words."""
    clean = re.sub(r"[^A-Za-z0-9._-]", "?", subject)[:128]
    print(f"traceless-isolated: {code} {clean}".rstrip(), file=sys.stderr, flush=True)
    sys.exit(2)


def normal(name):
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def packaging():
    try:
        from pip._vendor.packaging.markers import Marker
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        from packaging.markers import Marker
        from packaging.requirements import Requirement
    return Requirement, Marker


def guarded(*args, options=None, quiet=False):
    """Runs the guarded pip. Gives its exit status, its error output, and whether it wanted to run a package's code.

    `options` are lines of a list, handed over in memory: they may hold a credential.
    """
    fds = []
    words = list(args)
    if options is not None:
        memory = os.memfd_create("options")
        os.write(memory, options)
        fds.append(memory)
        words[1:1] = ["-r", f"/proc/self/fd/{memory}"]
    if os.path.exists(REFUSED):
        os.unlink(REFUSED)
    child = subprocess.Popen(
        [sys.executable, HERE + "/guarded_pip.py", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL if quiet else None,
        pass_fds=fds,
        env={**os.environ, "TRACELESS_REFUSED": REFUSED},
    )
    kept = []
    for line in child.stderr:
        kept.append(line.decode("utf-8", "replace"))
        if not quiet:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
    status = child.wait()
    for fd in fds:
        os.close(fd)
    return status, "".join(kept), os.path.exists(REFUSED)


def download(args, plan, options=None):
    """Downloads wheels, or ends the step with the reason why there are none."""
    status, said, wanted = guarded("download", "--only-binary=:all:", *args, options=options)
    if status == 0:
        return
    missing = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)", said)
    if missing is None:
        fail("wants-sources" if wanted else "pip")
    # Sources are looked for only to say what is wrong: pip gets as far as wanting to run them, and no further.
    at = "/tmp/traceless-sources"
    search = ["download", "--no-deps", "--no-binary=:all:", "-d", at, "--", missing.group(1)]
    _, _, found = guarded(*search, options=index_options(plan), quiet=True)
    shutil.rmtree(at, ignore_errors=True)
    fail("no-wheel" if found else "not-found", missing.group(1))


def list_lines(path, seen):
    """Lines of a list and of the lists it names, continuations joined, without comments."""
    if path in seen:
        return
    seen.add(path)
    with open(path, "rb") as file:
        data = file.read()
    text = (data[3:] if data.startswith(b"\xef\xbb\xbf") else data).decode("utf-8", "surrogateescape")
    kept = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            line = ""
        elif line.endswith("\\"):
            kept += line.strip("\\")
            continue
        line, kept = re.sub(r"(^|\s)#.*$", "", kept + line).strip(), ""
        nested = re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", line)
        if nested is not None:
            yield from list_lines(os.path.join(os.path.dirname(path), nested.group(1)), seen)
        elif line:
            yield line


def index_options(plan):
    """The lines that say where packages come from."""
    lines = [line for line in list_lines(plan["list"], set()) if line.startswith(OPTIONS)]
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


def has_requirements(plan):
    return any(not line.startswith("-") for line in list_lines(plan["list"], set()))
