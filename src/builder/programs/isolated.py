"""The steps of an isolated install. `first`, `next` and `resolve` run where credentials are mounted and run no code of
a package; `build` runs it, where nothing is mounted.

What a build step leaves is read as data: its wheels name further repositories, which the next fetching step gets.
"""

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse

from packages import HERE, download, fail, guarded, has_requirements, index_options, normal, packaging
from repositories import clone, folder_in, split_address, text_of
from wheels import BUILT, built_wheel, name_of, needs_of, resolvable, with_extras

FETCHED = "/traceless"
STATE = FETCHED + "/state.json"


def toml(text):
    for name in ("tomllib", "pip._vendor.tomli", "tomli", "pip._vendor.toml"):
        try:
            return importlib.import_module(name).loads(text)
        except ImportError:
            continue
    return fail("toml")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


def add(sources, url, subdirectory, extras):
    address, revision = split_address(url, PLAN["schemes"])
    for source in sources:
        if (source["url"], source["revision"], source["subdirectory"]) == (address, revision, subdirectory):
            source["extras"] = sorted({*source["extras"], *extras})
            return
    new = {"url": address, "revision": revision, "subdirectory": subdirectory, "extras": sorted(extras)}
    sources.append(new)


def build_requirements(folder):
    """What has to be there to build a project; none where the base builds it, as pip has it for a lone setup.py."""
    text = text_of(folder + "/pyproject.toml")
    if text is None and importlib.util.find_spec("setuptools") and importlib.util.find_spec("wheel"):
        return None
    table = {} if text is None else toml(text).get("build-system", {})
    wanted = [str(each) for each in table.get("requires", ["setuptools", "wheel"])]
    Requirement, _ = packaging()
    for each in wanted:
        try:
            requirement = Requirement(each)
        except ValueError:
            fail("build-requirement")
        if requirement.url is not None:
            fail("build-requirement", requirement.name)
    return wanted


def fetch(index, source):
    path = f"{FETCHED}/sources/{index}"
    source["commit"] = clone(source["url"], source["revision"], path)
    source["folder"] = folder_in(path, source["subdirectory"])
    wanted = build_requirements(source["folder"])
    source["isolated"] = wanted is not None
    if wanted:
        to = f"{FETCHED}/build/{index}"
        download(["-d", to, "--", *wanted], PLAN, index_options(PLAN))
        if any(normal(each).startswith("setuptools") for each in wanted):
            # Older ones ask for it only once they run.
            extra = ["download", "--only-binary=:all:", "-d", to, "--", "wheel"]
            guarded(*extra, options=index_options(PLAN), quiet=True)
    print(f"Fetched {source['url']} at {source['commit']}", flush=True)


def named_by_wheels(sources):
    """Adds the repositories that built wheels name. Gives the wheels that they name, by project."""
    wheels = {}
    for index, source in enumerate(list(sources)):
        wheel = built_wheel(index)
        for need in [] if wheel is None else needs_of(wheel, source["extras"]):
            url, _, fragment = (need.url or "").partition("#")
            if url.startswith("git+"):
                settings = dict(urllib.parse.parse_qsl(fragment))
                add(sources, url, settings.get("subdirectory", ""), need.extras)
            elif re.match("https?://", url) and urllib.parse.urlsplit(url).path.endswith(".whl"):
                wheels[normal(need.name)] = f"{with_extras(need.name, need.extras)} @ {url}"
            elif url:
                fail("address", need.name)
    return wheels


def first():
    os.makedirs(FETCHED)
    sources = []
    _, Marker = packaging()
    for source in PLAN["sources"]:
        if not source["marker"] or Marker(source["marker"]).evaluate({"extra": ""}):
            add(sources, source["url"], source["subdirectory"], source["extras"])
    # What has no wheel is told before any package's code runs.
    if has_requirements(PLAN):
        download(["--no-deps", "-d", FETCHED + "/first", "-r", PLAN["list"]], PLAN)
    fetch_all(sources)


def following():
    sources = load(STATE)
    named_by_wheels(sources)
    fetch_all(sources)


def fetch_all(sources):
    for index, source in enumerate(sources):
        if "commit" not in source:
            fetch(index, source)
    save(STATE, sources)


def build():
    os.makedirs(BUILT, exist_ok=True)
    for index, source in enumerate(load(STATE)):
        to = f"{BUILT}/{index}"
        if os.path.isdir(to):
            continue
        how = ["--find-links", f"{FETCHED}/build/{index}"] if source["isolated"] else ["--no-build-isolation"]
        words = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", *how, "-w", to, source["folder"]]
        if subprocess.run(words, check=False, cwd="/").returncode != 0:
            fail("build", source["url"].rstrip("/").split("/")[-1])


def resolve():
    sources = load(STATE) if os.path.exists(STATE) else []
    known = len(sources)
    direct = named_by_wheels(sources)
    if len(sources) != known:
        fail("too-deep")
    chosen = chosen_by_name(sources)
    os.makedirs(FETCHED + "/first", exist_ok=True)
    words = ["-d", FETCHED + "/wheels", "--find-links", FETCHED + "/first"]
    if has_requirements(PLAN):
        words += ["-r", PLAN["list"]]
    words.append("--")
    for name, source in chosen.items():
        copy = resolvable(source["wheel"], f"{FETCHED}/resolve/{name}")
        words.append(f"{with_extras(name, source['extras'])} @ file://{urllib.parse.quote(copy)}")
    words += [text for name, text in direct.items() if name not in chosen]
    os.makedirs(FETCHED + "/wheels", exist_ok=True)
    if has_requirements(PLAN) or words[-1] != "--":
        download(words, PLAN, None if has_requirements(PLAN) else index_options(PLAN))
    for source in chosen.values():
        shutil.copyfile(source["wheel"], f"{FETCHED}/wheels/{os.path.basename(source['wheel'])}", follow_symlinks=False)
    for folder in ("resolve", "first"):
        shutil.rmtree(f"{FETCHED}/{folder}", ignore_errors=True)
    commits = [{"name": name, "url": each["url"], "commit": each["commit"]} for name, each in sorted(chosen.items())]
    save(FETCHED + "/commits.json", commits)


def chosen_by_name(sources):
    """One source for each project, the list's own first."""
    chosen = {}
    for index, source in enumerate(sources):
        wheel = built_wheel(index)
        if wheel is None:
            fail("wheel")
        name = name_of(wheel)
        other = chosen.setdefault(name, {**source, "wheel": wheel})
        if (other["commit"], other["subdirectory"]) != (source["commit"], source["subdirectory"]):
            fail("conflict", name)
        other["extras"] = sorted({*other["extras"], *source["extras"]})
    return chosen


PLAN = load(HERE + "/plan.json")
{"first": first, "next": following, "build": build, "resolve": resolve}[sys.argv[1]]()
