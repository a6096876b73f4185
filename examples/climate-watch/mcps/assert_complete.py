"""Fails when a month is missing from the series: the workflow goes on without this step."""


def main(months):
    known = set(months)
    year, month = map(int, months[0].split("-"))
    missing = []
    while (text := f"{year}-{month:02d}") < months[-1]:
        if text not in known:
            missing.append(text)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    if missing:
        raise ValueError(f"{len(missing)} months are missing: {', '.join(missing)}")
    return {"isComplete": True}
