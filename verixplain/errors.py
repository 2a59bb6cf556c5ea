"""Everything verixplain refuses: one root, one class per decision a caller can take.

Messages say what was found, what was expected, where, and what to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class VerixplainError(Exception):
    """The root of every error this package raises on purpose."""


class UsageError(VerixplainError):
    """What was asked does not fit, or cannot be understood; asking otherwise helps."""


class UnknownNameError(UsageError):
    """A part was asked for by a name nobody took; the message lists the names there are."""


class NameTakenError(VerixplainError):
    """Two parts announce themselves under one name."""


class SettingError(UsageError):
    """An option or setting has a value that it cannot have."""


class MissingDependencyError(VerixplainError):
    """An optional package is needed and absent; the message has the command that installs it."""


class ModelError(VerixplainError):
    """The file is not a network this package can load."""


class ModelFormatError(ModelError):
    """Not an ONNX file, cut short, or not well formed."""


class ExternalDataError(ModelError):
    """Weights outside the model's folder, or not there."""


class GraphError(ModelError):
    """A cycle, a missing or doubled value, several inputs or outputs, or one that never varies."""


class DynamicShapeError(ModelError):
    """A dimension other than the batch is open; `--shape` fixes it."""


class TooLargeError(ModelError):
    """A tensor larger than this package is willing to build."""


class NotFiniteError(VerixplainError):
    """NaN or infinity where a number must stand."""


class UnsupportedOperatorError(ModelError):
    """An operator, opset or attribute nobody wrote a rule for; the node is named."""


class ParityError(ModelError):
    """The loaded network does not compute what ONNX Runtime computes."""


class InputError(UsageError):
    """An input file or array that does not fit the model."""


class CardError(UsageError):
    """A model card (TOML) with a key or value that it cannot have."""


class RegionError(UsageError):
    """A box whose ends are out of order, or whose center lies outside."""


class GroupsError(UsageError):
    """Feature groups that do not fit the input."""


class TargetError(UsageError):
    """A class or output row the network does not have, or cannot be explained as."""


class UnsupportedBoundError(VerixplainError):
    """A bound method cannot handle this network, by name; gradient methods still work."""


class UnsupportedMethodError(VerixplainError):
    """A method cannot explain this network, by name; others can."""


class NoBoundaryError(VerixplainError):
    """No point of another class was found, so there is nothing a boundary method could explain."""


class ConservationError(VerixplainError):
    """Relevance was lost or made on its way through the network: some rule here is wrong."""


class BoundFailedError(VerixplainError):
    """A bound method ran and gave no usable number (NaN, infinity, or an error of its own)."""


class OutOfMemoryError(VerixplainError, MemoryError):
    """Not even one box fits in memory, or a batch is refused because it would not."""


class SoundnessAlarm(VerixplainError):  # noqa: N818 - an alarm, not an error of the user
    """A rigorous lower bound lies above a rigorous upper bound: some number here is wrong.

    Never clipped and never retried: the job fails, and the message says where.
    """


class QueryError(UsageError):
    """A VNN-LIB query that cannot be read, or does not fit the network it is asked about."""


class UnsupportedQueryError(QueryError):
    """A well-formed VNN-LIB query of a theory that is not supported; the message names it."""


class JobError(UsageError):
    """A job file with a key or value that it cannot have, or a run folder of another job."""


class CertificateError(VerixplainError):
    """A file that is no certificate."""


class CheckerError(VerixplainError):
    """The independent checker gave no answer: its process ended, or took too long."""


class ReportError(VerixplainError):
    """Files of a report that were changed, or contradict each other; the message names them."""


class OutputError(VerixplainError):
    """A result could not be written or read back."""


@contextmanager
def at_node(name: str, operator: str, opset: int) -> Iterator[None]:
    """Add the node to any of our own errors raised inside; let bugs pass untouched."""
    try:
        yield
    except VerixplainError as error:
        raise type(error)(f"node {name!r} ({operator}, opset {opset}): {error}") from error
