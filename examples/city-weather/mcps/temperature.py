"""Mean highs and lows by month, and each city's extremes."""


def mean(values):
    return round(sum(values) / len(values), 1)


def main(cities):
    by_city, extremes = {}, []
    for city, days in cities.items():
        months = {}
        for date, high, low in zip(days["dates"], days["high"], days["low"]):
            months.setdefault(int(date[5:7]), []).append((high, low))
            extremes.append((high, city, date))
        by_city[city] = [
            {"month": month, "high": mean([h for h, _ in pairs]), "low": mean([l for _, l in pairs])}
            for month, pairs in sorted(months.items())
        ]
        print(f"{city}: July {by_city[city][6]['high']} °C, January {by_city[city][0]['high']} °C")
    high, city, date = max(extremes)
    return {"byCity": by_city, "warmest": {"city": city, "date": date, "celsius": high}}
