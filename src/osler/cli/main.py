"""Running the command line, and its exit codes.

0 done; 1 a gate, check or verification failed; 2 the input is wrong; 3 something is missing from the environment; 4 a bug.
"""

import io
import os
import sys
import traceback
from typing import Protocol, runtime_checkable

import typer

from osler.cli.app import app
from osler.cli.screen import notice
from osler.errors import OslerError

_STOPPED = 130
"""By Ctrl-C, as a shell counts it; typer gives it as a command's result."""
_UNREAD = 141


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Libraries that report their use read this when they are imported, so it stands before any of them.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (closed by who started it: `>&-`)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Files and pipes get UTF-8 in any locale; a terminal that cannot show a character gets its escape.
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; returns its exit code. A user's mistake is printed without a traceback."""
    try:
        result = app(args=arguments, prog_name="osler", standalone_mode=False)
    except OslerError as error:
        notice(f"osler: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        result = _STOPPED
    except SystemExit:  # typer's way out when nobody reads stdout any more, as after `| head -1`
        return _UNREAD
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        notice(
            f"osler: the system refused: {error.strerror or type(error).__name__}{place}. Mend that and run the command again."
        )
        return 3
    except Exception as error:  # noqa: BLE001  (the one place where a bug becomes exit code 4)
        if isinstance(error, _UsageMistake):
            error.show()
            return error.exit_code
        _report_bug(error)
        return 4
    if result == _STOPPED:
        notice("osler: stopped; what is finished is kept, and the same command goes on from there")
    return result if isinstance(result, int) else 0


def _report_bug(error: Exception) -> None:
    """Show where it happened. What an unexpected error says may quote a record or a prompt, so it is shown only when asked for."""
    notice("".join(traceback.format_tb(error.__traceback__)).rstrip())
    says = (
        f": {error}"
        if os.environ.get("OSLER_DEBUG")
        else " (OSLER_DEBUG=1 shows what it says, which may quote a record)"
    )
    notice(f"{type(error).__name__}{says}")
    notice("osler: this is a bug, not your mistake. Please report the lines above, without any patient's text.")


@runtime_checkable
class _UsageMistake(Protocol):
    """A wrong option or argument, as typer reports it; its class is not public."""

    exit_code: int

    def show(self) -> None:
        """Print usage and what is wrong."""
