"""`python -m sipparty`: the command without its script."""

from sipparty.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
