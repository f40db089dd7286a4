"""For all tests of the package."""

pytest_plugins = ["pytester"]
