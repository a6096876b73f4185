def main(orders, limit):
    """Which orders are within the limit that a person has set."""
    accepted = [order["id"] for order in orders if order["size"] <= limit]
    return {"limit": limit, "accepted": accepted, "refused": len(orders) - len(accepted)}
