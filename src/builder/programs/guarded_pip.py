"""pip in a process that can start no other.

It downloads wheels where credentials are mounted. Whatever would make pip run the code of a package, or git, would start
a program; that ends here (https://docs.python.org/3/library/audit_events.html).
"""

import os
import re
import runpy
import sys

STARTS = {
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
}


def refuse(event, values):
    if event not in STARTS:
        return
    program = os.path.basename(str(values[0])) if values else ""
    # pip asks the loader of a musl system for its version.
    if event == "subprocess.Popen" and re.fullmatch(r"ld-musl-[a-z0-9_]+\.so\.1", program):
        return
    # pip gets by without the others, which only say what system this is.
    if program.startswith("python") or program == "git":
        os.close(os.open(os.environ["TRACELESS_REFUSED"], os.O_CREAT | os.O_WRONLY, 0o600))
    raise PermissionError("no program is started where credentials are mounted")


sys.path.pop(0)
sys.argv[0] = "pip"
sys.addaudithook(refuse)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
