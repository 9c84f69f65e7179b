"""What the database said, in one line."""


def reason(err: Exception) -> str:
    """Return the database's own words, without the statement and its values around them."""
    own = getattr(err, "orig", None) or err
    return " ".join(str(own).split())
