"""One contestant in a process of its own, run on demand: `speed.py` starts it and asks for runs in turn.

Its only argument is a JSON object: library ("torch" or "artkit"), task ("passes" or "pictures"), size, shared, setting.
It warms up, then writes a line of JSON; for every line on its input, the number of runs wanted, it writes their
seconds and the peak of the GPU's memory so far.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from processes import Contestant


def main() -> None:
    spec = json.loads(sys.argv[1])
    make = importlib.import_module(f"{spec['library']}_contestant").contestant
    begin = time.perf_counter()
    contestant: Contestant = make(spec["task"], spec["size"], Path(spec["shared"]), spec["setting"])
    contestant.run()
    if spec["task"] == "passes":
        contestant.run()  # cuDNN's search and MLX's compilation may take two
    print(json.dumps({"warm_up": time.perf_counter() - begin, "about": contestant.about}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            contestant.run()
            seconds.append(time.perf_counter() - begin)
        print(json.dumps({"seconds": seconds, "peak": contestant.peak()}), flush=True)


if __name__ == "__main__":
    main()
