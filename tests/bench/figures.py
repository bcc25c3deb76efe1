"""Medians, and intervals of ratios, from rounds that were run in turn."""

import random
import statistics

RESAMPLES = 5000
ENOUGH_ROUNDS = 10


def interval(values):
    """95 % interval of the median, by bootstrap (the same seed, so the same answer each time)."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values)))
                     for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]


class Ratio:
    """above / below, round by round: what disturbs a round disturbs both."""

    def __init__(self, above, below):
        values = [a / b for a, b in zip(above, below, strict=True)]
        self.rounds = len(values)
        self.median = statistics.median(values)
        self.low, self.high = interval(values)

    def text(self, digits):
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def __str__(self):
        return self.text(2)

    def verdict(self, at_most=None, at_least=None):
        """The whole interval decides; where it spans the limit, more rounds must."""
        if self.rounds < ENOUGH_ROUNDS:
            return "too few rounds"
        if at_most is not None:
            if self.high <= at_most:
                return "reached"
            return "missed" if self.low > at_most else "undecided"
        if self.low >= at_least:
            return "reached"
        return "missed" if self.high < at_least else "undecided"


def table(head, rows):
    """A Markdown table."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths))
                     + " |" for line in lines)
