"""The pictures of a type test, drawn from its findings."""

from joy311.bench.figures.charts import Chart, charts_of, line_chart
from joy311.bench.figures.pages import report_pdf

__all__ = ["Chart", "charts_of", "line_chart", "report_pdf"]
