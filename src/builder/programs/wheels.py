"""Wheels that were built where packages' own code ran. They are data here, whatever they say."""

import email
import email.policy
import os
import re
import zipfile

from packages import fail, normal, packaging

BUILT = "/traceless-built"
NAME = re.compile(r"[A-Za-z0-9._+!]+(?:-[A-Za-z0-9._+!]+){4,5}\.whl")


def built_wheel(index):
    """The wheel that a build left. A link in its place could lead to a credential."""
    folder = f"{BUILT}/{index}"
    if os.path.islink(BUILT) or os.path.islink(folder) or not os.path.isdir(folder):
        return None
    found = [entry for entry in os.scandir(folder) if entry.name.endswith(".whl")]
    if len(found) != 1 or not found[0].is_file(follow_symlinks=False) or not NAME.fullmatch(found[0].name):
        fail("wheel")
    return found[0].path


def metadata_of(archive):
    names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
    if len(names) != 1:
        fail("wheel")
    return names[0], email.message_from_bytes(archive.read(names[0]))


def needs_of(wheel, extras):
    """Requirements of a wheel that hold here."""
    with zipfile.ZipFile(wheel) as archive:
        _, metadata = metadata_of(archive)
    for text in metadata.get_all("Requires-Dist") or []:
        need = requirement(text)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ["", *extras]):
            yield need


def requirement(text):
    Requirement, _ = packaging()
    try:
        return Requirement(text)
    except ValueError:
        fail("wheel")


def with_extras(name, extras):
    return f"{name}[{','.join(sorted(extras))}]" if extras else name


def resolvable(wheel, to):
    """A copy without content, whose metadata names by name what the original names by address."""
    path = f"{to}/{os.path.basename(wheel)}"
    os.makedirs(to)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(path, "w") as new:
        place, metadata = metadata_of(old)
        needs = metadata.get_all("Requires-Dist") or []
        del metadata["Requires-Dist"]
        for text in needs:
            need = requirement(text)
            if need.url is not None:
                marker = "" if need.marker is None else f" ; {need.marker}"
                text = with_extras(need.name, need.extras) + marker
            metadata["Requires-Dist"] = text
        folder = place.split("/")[0]
        new.writestr(place, metadata.as_bytes(policy=email.policy.compat32.clone(max_line_length=0)))
        new.writestr(folder + "/WHEEL", old.read(folder + "/WHEEL"))
        new.writestr(folder + "/RECORD", "")
    return path


def name_of(wheel):
    return normal(os.path.basename(wheel).split("-")[0])
