"""The figures that every trial leaves behind, as plain SVG (decision 0003)."""
