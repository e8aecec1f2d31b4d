"""Repositories: fetched with the credentials, and left without a trace of where they came from."""

import json
import os
import re
import shutil
import stat
import subprocess
import urllib.parse

from packages import fail

# No program of a repository runs, and nothing is read but over the network.
BY_HAND = ["-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never", "-c", "protocol.ext.allow=never"]


def split_address(text, schemes):
    """Address and revision of `git+SCHEME://…[@REVISION]`, which may be a package's own words."""
    url = text[len("git+") :]
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
        fail("address")
    path, at, revision = parts.path.rpartition("@")
    if not at:
        path, revision = parts.path, ""
    if revision and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/+-]*", revision):
        fail("revision")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), revision


def run(*args, cwd=None):
    return subprocess.run(["git", *BY_HAND, *args], cwd=cwd, check=False).returncode


def says(*args, cwd=None):
    words = ["git", *BY_HAND, *args]
    done = subprocess.run(words, cwd=cwd, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def clone(url, revision, path):
    """Checks a revision out, with its submodules and large files. Gives the commit."""
    if run("clone", "--no-checkout", "--quiet", "--template=", "--", url, path) != 0:
        fail("git")
    commit = commit_of(path, revision)
    if commit is None:
        fail("revision")
    if run("checkout", "--quiet", "--detach", commit, cwd=path) != 0:
        fail("git")
    if os.path.lexists(path + "/.gitmodules"):
        if run("submodule", "--quiet", "update", "--init", "--recursive", cwd=path) != 0:
            fail("submodule")
    large_files(path)
    scrub(path + "/.git")
    return commit


def commit_of(path, revision):
    """What pip takes a revision for: a branch, then a tag, then a commit, then whatever the server makes of it."""
    names = [f"refs/remotes/origin/{revision}", f"refs/tags/{revision}"] if revision else ["HEAD"]
    if re.fullmatch(r"[0-9a-f]{7,64}", revision):
        names.append(revision)
    for name in names:
        commit = says("rev-parse", "--verify", "--quiet", name + "^{commit}", cwd=path)
        if commit is not None:
            return commit
    if revision and run("fetch", "--quiet", "origin", revision, cwd=path) == 0:
        return says("rev-parse", "FETCH_HEAD^{commit}", cwd=path)
    return None


def large_files(path):
    """Git LFS, which needs a program of its own."""
    attributes = (os.path.join(at, ".gitattributes") for at, _, names in os.walk(path) if ".gitattributes" in names)
    if not any("filter=lfs" in (text_of(each) or "") for each in attributes):
        return
    if says("lfs", "version") is None:
        fail("lfs")
    if run("lfs", "pull", cwd=path) != 0 or run("submodule", "--quiet", "foreach", "--recursive", "git lfs pull", cwd=path) != 0:
        fail("lfs-pull")


def scrub(folder):
    """Leaves the history, for versions that are made of tags, and nothing that says where it came from."""
    for at, _, names in os.walk(folder):
        if "config" not in names or "HEAD" not in names:
            continue
        kept = ["[core]"]
        for key in ("repositoryformatversion", "filemode", "bare", "worktree"):
            value = says("config", "--file", at + "/config", "core." + key)
            if value is not None:
                kept.append(f"\t{key} = {json.dumps(value)}")
        form = says("config", "--file", at + "/config", "extensions.objectformat")
        if form is not None:
            kept += ["[extensions]", f"\tobjectformat = {json.dumps(form)}"]
        with open(at + "/config", "w") as file:
            file.write("\n".join(kept) + "\n")
        for name in ("FETCH_HEAD", "ORIG_HEAD"):
            if os.path.lexists(f"{at}/{name}"):
                os.unlink(f"{at}/{name}")
        for name in ("hooks", "logs", "lfs"):
            shutil.rmtree(f"{at}/{name}", ignore_errors=True)


def folder_in(path, subdirectory):
    """A folder of a checkout, which no link takes out of it."""
    folder = os.path.realpath(os.path.join(path, subdirectory))
    if not (folder == path or folder.startswith(path + "/")) or not os.path.isdir(folder):
        fail("subdirectory")
    return folder


def text_of(path):
    """A file that is no link: one of a repository may lead to a credential."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
        return file.read() if stat.S_ISREG(os.fstat(fd).st_mode) else None
