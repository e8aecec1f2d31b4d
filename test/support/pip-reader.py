"""Reads requirement lists with pip's own parser: a JSON array of base64 texts in, what pip makes of each out.

Before 23.1 pip has no --config-settings in lists, and refuses the lines that have it.
"""

import base64
import io
import json
import logging
import os
import sys

from pip._internal.req import req_file
from pip._internal.utils.encoding import auto_decode

logging.disable(logging.CRITICAL)
# optparse says what is wrong with a line on standard error.
sys.stderr = io.StringIO()
os.environ.clear()


def read(data):
    try:
        text = auto_decode(data)
    except (UnicodeDecodeError, LookupError):
        return None
    parse = req_file.get_line_parser(None)
    lines = []
    for number, line in req_file.preprocess(text):
        try:
            args, options = parse(line)
        except Exception:
            lines.append({"number": number, "refused": True})
            continue
        lines.append(
            {
                "number": number,
                "args": args,
                "editable": (options.editables or [])[:1],
                "list": (options.requirements or [])[:1],
                "constraint": (options.constraints or [])[:1],
                "index": [options.index_url] if options.index_url else [],
                "extra": options.extra_index_urls or [],
                "links": (options.find_links or [])[:1],
                "settings": sorted(
                    (key, value)
                    for key, values in (getattr(options, "config_settings", None) or {}).items()
                    for value in (values if isinstance(values, list) else [values])
                ),
            }
        )
    return lines


json.dump([read(base64.b64decode(data)) for data in json.load(sys.stdin)], sys.stdout)
