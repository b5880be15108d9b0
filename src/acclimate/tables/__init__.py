"""Answers from tables by rule: look-ups, counts, sums, averages, changes, shares, the most and the
least, with the cells as citation. Where a rule is not sure it says nothing, and a reader goes on."""
