"""What finished runs show: comparisons, where a difference is, what labels cost, overlaps, reproduction, the report.

Reads run folders; what is drawn and rendered is `report`'s business, what is tested is `stats`'s."""
