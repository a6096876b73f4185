"""Writes summary.md."""

import os

import headrace


def main(latest, perDecade, isComplete=False):
    markdown = (
        "# Climate watch\n\n"
        f"- CO2 at Mauna Loa: {latest['ppm']} ppm in {latest['month']}\n"
        f"- Global temperature since 1980: {perDecade:+} °C per decade\n"
        f"- The CO2 series is {'complete' if isComplete else 'not complete'}\n"
    )
    with open(os.path.join(headrace.artifacts_dir, "summary.md"), "w", encoding="utf-8") as file:
        file.write(markdown)
    print("wrote summary.md")
    return {"markdown": markdown}
