"""Why a certificate is refused, and how much of anything is read."""

from enum import StrEnum


class Reason(StrEnum):
    """Every way the checker says no before it has decided a claim."""

    TOO_LARGE = "too-large"
    CONTAINER = "container"
    MANIFEST = "manifest"
    TENSOR = "tensor"
    UNUSED_TENSOR = "unused-tensor"
    OTHER_MODEL = "other-model"
    ONNX = "onnx"
    EXTERNAL_DATA = "external-data"
    OPERATOR = "operator"
    GRAPH = "graph"
    REGION = "region"
    ROWS = "rows"
    GROUPS = "groups"
    RECIPE = "recipe"
    COVER = "cover"
    CLAIM = "claim"
    CLAIM_KIND = "claim-kind"
    SEMANTICS = "semantics"
    NOT_FINITE = "not-finite"
    PRECISION = "precision"
    MALFORMED = "malformed"


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """The certificate or the model cannot be checked; `reason` says why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def need(condition: object, reason: Reason, detail: str) -> None:
    """Refuse unless the condition is true; written positively, so that a NaN refuses."""
    if not condition:
        raise Refusal(reason, detail)


MOST_MODEL_BYTES = 2**30
MOST_CERTIFICATE_BYTES = 2**28
MOST_HEADER_BYTES = 2**22
MOST_NODES = 20_000
MOST_NUMBERS = 2**26  # in one tensor or one value
MOST_GROUPS = 2**14
MOST_EXCHANGED = 2**13  # groups among which chains are looked for
MOST_CLAIMS = 1000
MOST_ROUNDS = 8  # of faces
MOST_LEAVES = 2**14
