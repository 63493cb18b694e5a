"""The pictures of a type test, drawn from its findings."""

from joy311.bench.figures.charts import Chart, charts_of
from joy311.bench.figures.pages import report_pdf

__all__ = ["Chart", "charts_of", "report_pdf"]
