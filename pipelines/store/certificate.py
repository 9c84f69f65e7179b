"""The parity certificate: what was compared at a watermark, what differed, and its own hash.

It lies in the lake, `parity/<watermark>.json`, one for each watermark: the same stores give the
same certificate, byte for byte, so a rerun replaces it by itself.
"""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

import fsspec

from pipelines.errors import ParityError
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.parity import Mismatch, compare_view
from pipelines.store.parity_sample import Kind, choose_keys
from pipelines.store.parquet_write import write_file
from pipelines.store.repo import open_store
from pipelines.store.valkey import Valkey, answering

DEFAULT_SAMPLE: Final = 1_000
_FOLDER: Final = "parity"
_FORMAT: Final = 1
_SHOWN: Final = 10
_KEPT: Final = 1_000  # mismatches written down; all are counted
_TICK: Final = timedelta(microseconds=1)
_ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class ViewParity:
    """One view's part; counts of keys by kind are those of the sample."""

    view: str
    offline_key_count: int
    sampled_key_counts: dict[str, int]
    compared_value_count: int
    mismatch_count: int
    offline_sha256: str


@dataclass(frozen=True)
class Certificate:
    """What was compared; `sha256` is of all the rest, and `text` the file's content."""

    watermark: str
    views: tuple[ViewParity, ...]
    mismatches: tuple[Mismatch, ...]
    sha256: str
    text: str

    @property
    def mismatch_count(self) -> int:
        """Values and rows that differ."""
        return sum(view.mismatch_count for view in self.views)


def make_certificate(
    settings: Settings, watermark: datetime, sample: int = DEFAULT_SAMPLE
) -> Certificate:
    """Compare a sample of every view's keys just before `watermark` and write the certificate.

    Returns:
        The certificate, with its mismatches; see `require_parity`.

    Raises:
        FeatureStoreError: Valkey or Feast's registry does not answer.
    """
    moment = watermark.astimezone(UTC) - _TICK
    store, valkey = open_store(settings), Valkey(settings.valkey, _ANSWER_SECONDS)
    views: list[ViewParity] = []
    mismatches: list[Mismatch] = []
    with answering():
        for spec in VIEWS.values():
            chosen = choose_keys(settings.lake, spec, moment, sample, valkey)
            found = compare_view(
                store, settings.lake, spec, chosen, moment=moment, url=settings.valkey
            )
            counts = Counter(chosen.kinds.values())
            mismatches += found.mismatches
            views.append(
                ViewParity(
                    view=spec.name.value,
                    offline_key_count=chosen.offline_key_count,
                    sampled_key_counts={kind.value: counts[kind] for kind in Kind},
                    compared_value_count=found.compared_count,
                    mismatch_count=len(found.mismatches),
                    offline_sha256=found.content_sha256,
                )
            )
    content = {
        "format": _FORMAT,
        "code_version": version("workcast"),
        "watermark": watermark.astimezone(UTC).isoformat(),
        "sample": sample,
        "views": [asdict(view) for view in views],
        "mismatches": [asdict(one) for one in mismatches[:_KEPT]],
    }
    text = _text(content | {"sha256": _digest(content)})
    write_file(certificate_path(settings.lake, watermark), text.encode())
    return _parsed(text, "the certificate just made")


def read_certificate(lake: str, watermark: datetime) -> Certificate:
    """Read the certificate of a watermark.

    Raises:
        ParityError: there is none, or it is not as it was written.
    """
    path = certificate_path(lake, watermark)
    filesystem, inside = fsspec.core.url_to_fs(path)
    try:
        text = filesystem.cat_file(inside).decode()
    except FileNotFoundError:
        raise ParityError(
            f"No parity certificate at {path}: run `workcast parity`, or the DAG build_features."
        ) from None
    return _parsed(text, path)


def require_parity(certificate: Certificate) -> Certificate:
    """Return a certificate without mismatches.

    Raises:
        ParityError: it has some; names the first of each view.
    """
    if certificate.mismatch_count:
        shown: list[str] = []
        for view in certificate.views:
            found = [str(one) for one in certificate.mismatches if one.view == view.view]
            shown += found[: max(1, _SHOWN // len(certificate.views))]
        raise ParityError(
            f"Online and offline features differ at {certificate.watermark}: "
            f"{certificate.mismatch_count} mismatches. " + "; ".join(shown) + ". "
            "Materialise again (DAG build_features); if they stay, do not serve or train on them."
        )
    return certificate


def certificate_path(lake: str, watermark: datetime) -> str:
    """Return where the certificate of a watermark lies."""
    return f"{lake.rstrip('/')}/{_FOLDER}/{watermark.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.json"


def _parsed(text: str, path: str) -> Certificate:
    try:
        content: dict[str, Any] = json.loads(text)
        digest = content.pop("sha256")
        is_whole = digest == _digest(content)
        views = tuple(ViewParity(**view) for view in content["views"])
        mismatches = tuple(
            Mismatch(**one | {"key": tuple(one["key"])}) for one in content["mismatches"]
        )
        watermark = str(content["watermark"])
    except (ValueError, KeyError, TypeError) as err:
        raise ParityError(f"{path} is no parity certificate ({err!r}): make it anew.") from err
    if not is_whole:
        raise ParityError(f"{path} is not as it was written: its hash differs. Make it anew.")
    return Certificate(watermark, views, mismatches, str(digest), text)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
