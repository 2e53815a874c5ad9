"""The HTML report: one file that needs no network, about one run or several."""
