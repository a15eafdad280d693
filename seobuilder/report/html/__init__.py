"""The parts of the HTML report: charts, the graph of modules, findings, rules."""
