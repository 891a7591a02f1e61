"""The command `selcon`. A subcommand is imported when it is used, so each needs only its own libraries."""

import errno
import io
import sys
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from selcon_ros import __version__
from selcon_ros.cli.commands import CLONE_COMMANDS, all_commands, find_command
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE
from selcon_ros.core.errors import SelconError, first_line

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# What a robot has: a library by its package on PyPI.
BASE_PACKAGES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "onnxruntime": "onnxruntime",
    "yaml": "pyyaml",
    "rich": "rich",
    "tqdm": "tqdm",
}
# Which optional part of the package brings which library, the smallest that does.
EXTRAS = {
    "train": (
        "torch",
        "torchvision",
        "timm",
        "open_clip",
        "pydantic",
        "safetensors",
        "tensorboard",
        "onnx",
        "onnxscript",
        "jinja2",
        "matplotlib",
        "accelerate",
        "psutil",
        "PIL",
    ),
    "adapt": ("pycocotools", "defusedxml"),
    "engine": ("filelock",),
    "sim": ("mujoco", "OpenGL"),
    "demo": ("rosbags",),
    "view": ("viser", "websockets"),
    "rerun": ("rerun",),
    "ros": (
        "rclpy",
        "rpyutils",
        "rosidl_parser",
        "std_msgs",
        "sensor_msgs",
        "geometry_msgs",
        "visualization_msgs",
        "diagnostic_msgs",
        "builtin_interfaces",
    ),
}


def as_message(command: str, error: SelconError | ImportError | OSError | MemoryError) -> Exception:
    """Return the one-line message for an error that a user can mend; any other error as it is."""
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError):
        wanted = f": {first_line(error)}" if str(error) else ""
        return click.ClickException(f"selcon {command} needs more memory than there is{wanted}")
    if not isinstance(error, ImportError):
        return click.ClickException(str(error))
    library = (error.name or "").partition(".")[0]
    if library == "selcon_training":
        return click.ClickException(
            f"selcon {command} needs selcon_training, the folder training/ of the source tree: "
            'run it in a clone of the repository, with: pip install -e ".[train]"'
        )
    extra = next((name for name, libraries in EXTRAS.items() if library in libraries), None)
    if command == "engine" and library == "onnx":
        extra = "engine"  # training brings it too, and torch
    if extra is None and library not in BASE_PACKAGES:
        return error
    wanted = BASE_PACKAGES.get(library) or f'"selcon_ros[{extra}]"'
    other = " or source your ROS 2 installation" if extra == "ros" else ""
    return click.ClickException(
        f"selcon {command} needs {library}: install it with: pip install {wanted}{other}"
    )


def _of_the_system(error: OSError) -> Exception:
    """Disk full, no right, no such file: name the file and the cause."""
    if error.errno == errno.EPIPE:
        return error  # who read our output has gone: click ends quietly
    place = f"{error.filename}: " if error.filename is not None else ""
    more = "; make room there, or choose another place" if error.errno in DISK_FULL_ERRORS else ""
    return click.ClickException(f"{place}{error.strerror or first_line(error)}{more}")


class LazyGroup(click.Group):
    """A click group that imports a subcommand when it is used, and shows errors that a user can mend as one
    line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(all_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = find_command(cmd_name)
        if found is None and cmd_name in CLONE_COMMANDS:
            raise click.ClickException(
                f"selcon {cmd_name} is run in a clone of the repository: "
                f"python -m selcon_ros.cli.start {cmd_name}"
            )
        if found is None:
            return None
        try:
            command = import_module(found.module).command
        except ImportError as error:
            raise as_message(cmd_name, error) from error
        return cast(click.Command, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in all_commands().items()])

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # Names of files may hold what is no text, and a terminal may not have our signs.
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (SelconError, ImportError, OSError, MemoryError) as error:
            if _was_stopped(error):
                _end_stopped(ctx)
            raise as_message(ctx.invoked_subcommand or "", error) from error
        except KeyboardInterrupt:
            _end_stopped(ctx)


def _was_stopped(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: compiled modules that it stops on their import say ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _end_stopped(ctx: click.Context) -> NoReturn:
    click.echo(f"\n{' '.join(filter(None, ['selcon', ctx.invoked_subcommand]))}: stopped", err=True)
    raise SystemExit(INTERRUPTED_EXIT_CODE) from None


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="selcon")
def main() -> None:
    """Which part of an object affords an action, and where to grasp it.

    \b
    Examples:
      selcon ground mug.jpg --action hold --out overlay.png
      selcon demo
    """


if __name__ == "__main__":
    main()
