"""Reads the CO2 series, but only 3 seconds after the run began: until then it fails, and is tried again."""

import csv as csv_module
import io
from datetime import datetime, timezone

WARM_UP_SECONDS = 3


def main(csv, notBefore):
    age = (datetime.now(timezone.utc) - datetime.fromisoformat(notBefore.replace("Z", "+00:00"))).total_seconds()
    if age < WARM_UP_SECONDS:
        raise ConnectionError(f"the source is warming up, {WARM_UP_SECONDS - age:.1f} s to go")
    rows = list(csv_module.DictReader(io.StringIO(csv)))
    print(f"read {len(rows)} months of CO2")
    return {
        "months": [row["Date"][:7] for row in rows],
        "latest": {"month": rows[-1]["Date"][:7], "ppm": float(rows[-1]["CO2"])},
    }
