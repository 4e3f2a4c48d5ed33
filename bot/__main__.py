"""The command `govorun`, also as `python -m bot`. Begin with `main`."""

from __future__ import annotations

import errno
import sys

from bot.app import chosen_app, run_command
from bot.errors import BotError

INTERRUPTED = 130  # the exit status after Ctrl-C, as shells have it


def main() -> None:
    """Run the command with the arguments of this process: Govorun's own errors end as a sentence, not as a traceback.

    `govorun run` without options does not load typer, the library that reads all other command lines: a bot keeps what
    it has loaded, and typer with our 40 commands takes 3 MB.
    """
    try:
        with chosen_app.settings_of_app():
            if sys.argv[1:] == ["run"]:
                run_command.run()
            else:
                from bot.cli import app

                app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BotError as error:
        sys.stderr.write(f"govorun: {error}\n")
        sys.exit(2)
    except (MemoryError, SystemError, ImportError, OSError) as error:
        if not _is_out_of_memory(error):
            raise
        sys.stderr.write(f"govorun: there is not enough memory ({str(error) or type(error).__name__})\n")
        sys.exit(1)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is used up: an import then raises whatever its own loading has raised."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return not isinstance(error, ImportError) or "failed to map segment" in str(error)


if __name__ == "__main__":
    main()
