def main(region):
    """Twelve orders, the same ones each time."""
    sizes = [12, 95, 40, 7, 63, 28, 81, 55, 19, 34, 70, 46]
    return {"orders": [{"id": f"{region}-{number}", "size": size} for number, size in enumerate(sizes, 1)]}
