"""The figures in Prometheus' exposition format: one collector that reads them when it is asked.

See the client library's custom collectors (prometheus_client, "Custom Collectors") and the naming rules of
Prometheus ("Metric and label naming"). `docs/metrics.md` explains each one.
"""

from collections.abc import Iterable, Mapping
from typing import cast
from wsgiref.types import WSGIApplication

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from camwatch import __version__
from camwatch.identification.evidence import Fault
from camwatch.records import EventType
from camwatch.service.histogram import FRAMES, SCORES, SECONDS, Histogram
from camwatch.service.telemetry import CAPPED, Telemetry

REASONS = ("timeout", "refused", "unauthorized", "certificate", "not_found", "ended", "invalid", "network")
"""Why a connection fails or is lost, see `SourceError`."""
USES = ("usable", "skipped", *Fault)
"""What becomes of a face."""


class DaemonCollector(Collector):
    """Yields every `camwatch_*` metric from a `Telemetry`."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Keep the source of the figures."""
        self._telemetry = telemetry

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: a registry need not collect in order to register."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All metrics as they are now."""
        with self._telemetry.locked() as t:
            return [*_frames(t), *_cameras(t), *_histograms(t), *_service(t)]


def metrics_app(telemetry: Telemetry) -> WSGIApplication:
    """Answers an HTTP request with this daemon's figures and those of the main process."""
    registry = CollectorRegistry()
    registry.register(DaemonCollector(telemetry))
    ProcessCollector(registry=registry)
    return cast("WSGIApplication", make_wsgi_app(registry))


def _frames(t: Telemetry) -> Iterable[Metric]:
    frames = CounterMetricFamily(
        "camwatch_frames", "Captured frames by what became of them.", labels=["camera", "outcome"]
    )
    captured = CounterMetricFamily(
        "camwatch_frames_captured", "Frames due for analysis, in flight ones included.", labels=["camera"]
    )
    for camera, figures in t.cameras.items():
        counts = figures.ring.counts()
        for outcome in ("analyzed", "idle", "dropped_busy", "dropped_stale", "decode_error"):
            frames.add_metric([camera, outcome], getattr(counts, outcome))
        captured.add_metric([camera], counts.captured)
    return [frames, captured]


def _cameras(t: Telemetry) -> Iterable[Metric]:
    up = GaugeMetricFamily("camwatch_camera_up", "1 while the camera delivers pictures.", labels=["camera"])
    enabled = GaugeMetricFamily("camwatch_camera_enabled", "1 while the camera is switched on.", labels=["camera"])
    visits = GaugeMetricFamily("camwatch_visits_active", "Visits now open.", labels=["camera"])
    reconnects = CounterMetricFamily(
        "camwatch_camera_reconnects", "Failed or lost connections by reason.", labels=["camera", "reason"]
    )
    faces = CounterMetricFamily(
        "camwatch_faces", "Faces found, by whether they could be used for identification.", labels=["camera", "use"]
    )
    events = CounterMetricFamily("camwatch_events", "Events decided.", labels=["camera", "event_type"])
    for camera, figures in t.cameras.items():
        up.add_metric([camera], float(figures.up))
        enabled.add_metric([camera], float(figures.enabled))
        visits.add_metric([camera], figures.visits_active)
        counted = (
            (reconnects, figures.reconnects, REASONS),
            (faces, figures.faces, USES),
            (events, figures.events, tuple(EventType)),
        )
        for family, tally, known in counted:
            # from 0 on: of a series that begins at 1, `increase` does not see the first one
            for label in dict.fromkeys((*known, *tally)):
                family.add_metric([camera, label], tally[label])
    return [up, enabled, visits, reconnects, faces, events]


def _histograms(t: Telemetry) -> Iterable[Metric]:
    return [
        _family("camwatch_stage_seconds", "Time spent in a stage.", "stage", t.stage_totals(), SECONDS),
        _family(
            "camwatch_event_latency_seconds",
            "From the capture of the deciding frame to the broker's acknowledgement.",
            "event_type",
            t.event_latency,
            SECONDS,
        ),
        _family("camwatch_identification_score", "Similarity to the best person.", "outcome", t.scores, SCORES),
        _family("camwatch_batch_frames", "Frames analysed together.", None, {"": t.batches.total()}, FRAMES),
    ]


def _service(t: Telemetry) -> Iterable[Metric]:
    gauges = {
        "camwatch_gallery_people": ("People enrolled.", t.gallery_people),
        "camwatch_gallery_photos": ("Photos in use.", t.gallery_photos),
        "camwatch_threshold": ("Similarity from which a visit gets a name.", t.threshold),
        "camwatch_mqtt_connected": ("1 while connected to the broker.", float(t.mqtt_connected)),
        "camwatch_outbox_events": ("Events not acknowledged by the broker yet.", t.outbox_events),
        "camwatch_outbox_oldest_seconds": ("Age of the oldest of them.", t.outbox_oldest),
        "camwatch_config_last_reload_successful": (
            "1 unless the configuration was changed to something that cannot be used.",
            float(t.config_taken),
        ),
    }
    for name, (text, value) in gauges.items():
        yield GaugeMetricFamily(name, text, value=value)
    capped = CounterMetricFamily(
        "camwatch_capped", "Candidates and faces left out because a picture had too many.", labels=["what"]
    )
    left_out = t.capped.total()
    for what in CAPPED:
        capped.add_metric([what], left_out[what])
    yield capped
    restarts = CounterMetricFamily("camwatch_process_restarts", "Children started again.", labels=["process"])
    for process in ("reader", "inference"):
        restarts.add_metric([process], t.restarts[process])
    yield restarts
    build = GaugeMetricFamily("camwatch_build_info", "The running version.", labels=["version"])
    build.add_metric([__version__], 1.0)
    yield build


def _family(
    name: str, text: str, label: str | None, histograms: Mapping[str, Histogram], bounds: tuple[float, ...]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=[label] if label else [])
    for value, histogram in histograms.items():
        buckets, total = [], 0
        for bound, count in zip((*bounds, float("inf")), histogram.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", total))
        family.add_metric([value] if label else [], buckets, histogram.total)
    return family
