"""Scores, paired statistics, the verdict and its report. It knows no recipe and no model."""
