"""What commands there are, for checking the documents."""

import typer


def known_commands() -> set[tuple[str, ...]]:
    from vizinho.cli.main import app

    found: set[tuple[str, ...]] = set()

    def walk(command: object, path: tuple[str, ...]) -> None:
        for name, member in getattr(command, "commands", {}).items():
            found.add((*path, name))
            walk(member, (*path, name))

    walk(typer.main.get_command(app), ())
    return found
