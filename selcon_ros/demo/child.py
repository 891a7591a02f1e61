"""Run a module in a process that ends when its parent does: python -m selcon_ros.demo.child PARENT MODULE"""

from __future__ import annotations

import runpy
import sys

from selcon_ros.core.machine.parent import end_with

if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
