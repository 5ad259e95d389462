from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: to look through it again and again, as Python does for each
    application that a test makes, is a third of what the tests would take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
