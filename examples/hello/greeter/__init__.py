import platform


def greet(name: str) -> str:
    """Say hello from another process."""
    return f"Hello {name}, from Python {platform.python_version()}"
