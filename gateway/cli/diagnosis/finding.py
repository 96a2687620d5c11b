"""What a check of a deployment says: how it stands, what was found, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """FAULT: money, calls or data are at risk. WARNING: somebody should look. UNKNOWN: it could
    not be found out, which is neither good nor bad."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    result: Result
    found: str
    todo: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, Result.OK, found)


def warning(check: str, found: str, todo: str) -> Finding:
    return Finding(check, Result.WARNING, found, todo)


def fault(check: str, found: str, todo: str) -> Finding:
    return Finding(check, Result.FAULT, found, todo)


def unknown(check: str, why: str, todo: str = "") -> Finding:
    """`why` goes on after "unknown, because"."""
    return Finding(check, Result.UNKNOWN, f"unknown, because {why}", todo)


def has_fault(findings: Iterable[Finding]) -> bool:
    return any(finding.result is Result.FAULT for finding in findings)
