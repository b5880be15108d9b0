"""Parses the files named on standard input with markitdown, one JSON object a line."""

import json
import resource
import sys
import time

from markitdown import MarkItDown

converter = MarkItDown(enable_plugins=False)
for line in sys.stdin.read().splitlines():
    started = time.perf_counter()
    try:
        text = converter.convert_local(line).text_content
    except Exception as error:
        text = None
        print(f"{line}: {error}"[:200], file=sys.stderr)
    print(json.dumps({"file": line, "text": text, "seconds": time.perf_counter() - started}))
print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
