"""`python -m medspace` is `medspace`."""

from medspace.app.cli import main

if __name__ == "__main__":
    main()
