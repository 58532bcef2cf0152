"""Precision that is proven: other forms of a model, and the budgets that each must hold."""
