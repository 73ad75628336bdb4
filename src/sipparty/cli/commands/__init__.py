"""The commands, a module each; `sipparty.cli.app` has the table of them."""

__all__: list[str] = []
