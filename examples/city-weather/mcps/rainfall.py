"""Rain per month in an average year, rainy days, and the wettest day."""


def main(cities):
    by_city, days_of_rain, wettest = {}, {}, None
    for city, days in cities.items():
        years = len({date[:4] for date in days["dates"]})
        totals = [0.0] * 12
        for date, amount in zip(days["dates"], days["rainMm"]):
            totals[int(date[5:7]) - 1] += amount
            if wettest is None or amount > wettest["mm"]:
                wettest = {"city": city, "date": date, "mm": amount}
        by_city[city] = [round(total / years, 1) for total in totals]
        days_of_rain[city] = round(sum(amount > 0 for amount in days["rainMm"]) / years)
        print(f"{city}: {sum(by_city[city]):.0f} mm on {days_of_rain[city]} days of an average year")
    return {"byCity": by_city, "rainyDaysAYear": days_of_rain, "wettest": wettest}
