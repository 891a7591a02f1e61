"""The process that measures on a device: `python -m benchmarks.gpu_worker TASK`, TASK as JSON.

Of every line on its standard input, the name of a part, it answers with lines of JSON: {"result": ...} for
each result as soon as it is there, at last {"end": ""}, or {"end": REASON} where the part cannot be measured
here. What fails otherwise ends the process, whose device may be of no more use.
"""

from __future__ import annotations

import json
import os
import sys

from benchmarks.gpu_parts import PARTS, GpuTask
from selcon_ros.core.errors import SelconError, first_line


def main(task: GpuTask) -> None:
    """Serve until the input ends. What libraries print goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**answer: object) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    for line in sys.stdin:
        reason = ""
        try:
            for result in PARTS[line.strip()](task):
                say(result=result)
        except (SelconError, ImportError) as error:
            reason = first_line(error)
        say(end=reason)


if __name__ == "__main__":
    main(GpuTask.from_json(sys.argv[1]))
