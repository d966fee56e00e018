"""`python -m medspace` is `medspace`."""

from medspace.app.main import main

if __name__ == "__main__":
    main()
