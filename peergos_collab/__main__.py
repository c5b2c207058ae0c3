"""``python -m peergos_collab`` is ``pgc``."""

from .cli import main

if __name__ == "__main__":
    main()
