"""What a kind of claim says and does not say, from the package's own `certify/CLAIMS.md`."""

import re
from functools import cache
from importlib.resources import files


def sentences(kind: str) -> dict[str, str]:
    """`says` and `does_not_say` in plain words; empty where the file has no section for the kind.

    A family of kinds may share the section of its stem: `map-stability:rank` that of
    `map-stability`.
    """
    sections = _sections()
    found = sections.get(kind) or sections.get(kind.partition(":")[0]) or {}
    return {"says": found.get("says", ""), "does_not_say": found.get("does not say", "")}


@cache
def _sections() -> dict[str, dict[str, str]]:
    """Kind -> subhead in lower case -> text in one paragraph."""
    path = files("verixplain") / "certify" / "CLAIMS.md"
    if not path.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## +", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        head, _, body = section.partition("\n")
        parts = re.split(r"^### +(.+)$", body, flags=re.MULTILINE)
        texts = {
            name.strip().lower(): " ".join(text.split())
            for name, text in zip(parts[1::2], parts[2::2], strict=True)
        }
        found[head.strip().strip("`")] = texts
    return found
