"""The report's sections, one a file: each makes a `report.parts.Section` of a run, or says why there is none."""
