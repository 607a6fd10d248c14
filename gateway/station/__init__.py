"""The live station: one loop body and what it alone is made of."""
