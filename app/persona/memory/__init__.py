"""What the persona lived: kept, found again by words and by time."""
