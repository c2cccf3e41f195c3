"""Text from the model to the API."""


def text_to(words: str) -> str:
    """Write text that a path, a server or a guest's definition has part in."""
    # They may bring along lone surrogates, which protobuf does not take.
    return words.encode("utf-8", "backslashreplace").decode()
