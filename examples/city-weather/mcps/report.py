"""Writes report.html: a chart of temperatures and rain, and a table per city. Standard library only."""

import os
from html import escape

import headrace

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
WIDTH, HEIGHT, LEFT, BOTTOM = 760, 320, 44, 28


def chart(title, unit, series, bars):
    """A line or bar chart of twelve months as SVG; series is {name: [12 numbers]}."""
    top = max(max(values) for values in series.values()) * 1.1
    step = (WIDTH - LEFT) / 12

    def y(value):
        return HEIGHT - BOTTOM - max(0, value) / top * (HEIGHT - BOTTOM - 16)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in range(5):
        value = top * tick / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0f}</text>')
    for index, month in enumerate(MONTHS):
        parts.append(f'<text x="{LEFT + step * (index + 0.5):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{month}</text>')
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        if bars:
            width = step * 0.7 / len(series)
            for index, value in enumerate(values):
                x = LEFT + step * index + step * 0.15 + width * number
                tall = HEIGHT - BOTTOM - y(value)
                parts.append(
                    f'<rect x="{x:.1f}" y="{y(value):.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{colour}">'
                    f"<title>{escape(name)}, {MONTHS[index]}: {value} {unit}</title></rect>"
                )
        else:
            points = " ".join(f"{LEFT + step * (i + 0.5):.1f},{y(v):.1f}" for i, v in enumerate(values))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{LEFT + 8 + 110 * number}" y="14" style="fill:{colour};font-weight:600">{escape(name)}</text>')
    return f"<h2>{escape(title)} ({unit})</h2>" + "".join(parts) + "</svg>"


def table(temperature, rainfall, wind, kinds):
    rows = []
    for city in temperature["byCity"]:
        months = temperature["byCity"][city]
        often = ", ".join(f"{k['kind']} {k['percent']} %" for k in kinds["byCity"][city][:3])
        strongest = max(season["strongest"] for season in wind["byCity"][city].values())
        cells = [
            city,
            f"{max(m['high'] for m in months)} °C",
            f"{min(m['low'] for m in months)} °C",
            f"{sum(rainfall['byCity'][city]):.0f} mm on {rainfall['rainyDaysAYear'][city]} days",
            f"{strongest} m/s",
            often,
        ]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = ["City", "Warmest month's high", "Coldest month's low", "Rain a year", "Strongest wind", "Most often"]
    return "<table><tr>" + "".join(f"<th>{h}</th>" for h in heads) + "</tr>" + "".join(rows) + "</table>"


def main(dayCount, temperature, rainfall, wind, kinds):
    wettest = max(rainfall["byCity"], key=lambda city: sum(rainfall["byCity"][city]))
    rainiest = max(rainfall["rainyDaysAYear"], key=rainfall["rainyDaysAYear"].get)
    headline = f"{rainiest} has more rainy days, but more rain falls in {wettest}."
    if rainiest == wettest:
        headline = f"{wettest} has both more rain and more rainy days."
    highs = {city: [month["high"] for month in months] for city, months in temperature["byCity"].items()}
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>City weather</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 800px; margin: 2rem auto; padding: 0 1rem; color: #222 }}
svg {{ width: 100%; height: auto }} svg text {{ font: 11px system-ui, sans-serif; fill: #555 }}
.grid {{ stroke: #ddd }} table {{ border-collapse: collapse }} td, th {{ border: 1px solid #ddd; padding: .3rem .6rem; text-align: left }}
</style></head><body>
<h1>City weather</h1><p>{escape(headline)} From {dayCount} daily observations (NOAA).</p>
{chart("Mean daily high by month", "°C", highs, bars=False)}
{chart("Rain by month", "mm", rainfall["byCity"], bars=True)}
{table(temperature, rainfall, wind, kinds)}
</body></html>
"""
    path = os.path.join(headrace.artifacts_dir, "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    print(f"wrote report.html, {len(page)} characters")
    return {"headline": headline}
