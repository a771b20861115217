"""Building blocks shared by the three networks; they know shapes, not worlds."""
