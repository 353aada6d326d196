"""What goes wrong in a deployment."""


class DeployError(Exception):
    """The database could not be brought up to date; the text says why."""
