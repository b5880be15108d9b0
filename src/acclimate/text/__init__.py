"""Text as it is compared: Unicode forms, part numbers, places of words."""
