"""Model names as their families are known by."""


def bare_name(model: str) -> str:
    """Without a router's or a fine-tune's prefix: `ft:gpt-4o:…`, `openai/gpt-4o`."""
    return model.rpartition("/")[2].removeprefix("ft:")
