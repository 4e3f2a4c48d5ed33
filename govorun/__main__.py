"""The command `govorun`, also as `python -m govorun`."""

from govorun import load


def main() -> None:
    """Run the command with the arguments of this process."""
    load()
    from bot.__main__ import main as command

    command()


if __name__ == "__main__":
    main()
