"""The report as one HTML file that needs nothing else: template, style and scripts, and what fills them."""
