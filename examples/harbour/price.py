"""What a berth costs."""


def berth(length, nights):
    """Returns the price in cents of a berth for a boat of so many metres."""
    if length <= 0 or nights <= 0:
        raise ValueError("a boat has a length, and stays for a night at least")
    per_night = 150 * length
    if nights >= 7:
        per_night = per_night * 9 // 10
    return per_night * nights
