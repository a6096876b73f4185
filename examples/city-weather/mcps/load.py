"""Parses the weather CSV into one set of columns per city."""

import csv as csv_module
import io

import headrace

NUMBERS = {"precipitation": "rainMm", "temp_max": "high", "temp_min": "low", "wind": "wind"}


def main(csv, fromYear=2012):
    cities = {}
    rows = list(csv_module.DictReader(io.StringIO(csv)))
    print(f"read {len(rows)} rows")
    for number, row in enumerate(rows):
        if int(row["date"][:4]) < fromYear:
            continue
        columns = cities.setdefault(row["location"], {"dates": [], "kinds": [], **{n: [] for n in NUMBERS.values()}})
        columns["dates"].append(row["date"])
        columns["kinds"].append(row["weather"])
        for source, name in NUMBERS.items():
            columns[name].append(float(row[source]))
        if number % 500 == 0:
            headrace.progress(number / len(rows), f"{number} rows")
    for city, columns in cities.items():
        print(f"{city}: {len(columns['dates'])} days from {columns['dates'][0]} to {columns['dates'][-1]}")
    return {"dayCount": sum(len(columns["dates"]) for columns in cities.values()), "cities": cities}
