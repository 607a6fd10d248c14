"""Commands that run and end: studies, benchmarks, tables, plots, file conversion. Nothing live imports them."""
