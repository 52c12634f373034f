"""Figures as OpenMetrics text, which Prometheus and others read."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["CONTENT_TYPE", "openmetrics"]

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def openmetrics(
    families: Mapping[str, Any], gauges: Collection[str], labels: Mapping[str, str] | None = None
) -> str:
    """Return dataclasses of numbers as OpenMetrics text (version 1.0.0).

    ``families`` has each under the prefix of its names; a field is a gauge if it is among
    ``gauges``, else a counter. A dict from quantiles to seconds is a summary.
    """
    lines: list[str] = []
    for prefix, figures in families.items():
        for field in fields(figures):
            value = getattr(figures, field.name)
            lines.extend(
                _family(f"{prefix}_{field.name}", value, field.name in gauges, labels or {})
            )
    return "\n".join([*lines, "# EOF", ""])


def _family(name: str, value: Any, gauge: bool, labels: Mapping[str, str]) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"# TYPE {name}_seconds summary"
        yield f"# UNIT {name}_seconds seconds"
        for quantile, seconds in value.items():
            yield f"{name}_seconds{_labels({**labels, 'quantile': str(quantile)})} {seconds:.6g}"
    elif gauge:
        yield f"# TYPE {name} gauge"
        yield f"{name}{_labels(labels)} {int(value)}"
    else:
        yield f"# TYPE {name} counter"
        yield f"{name}_total{_labels(labels)} {int(value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escape(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
