"""The comparisons behind docs/results.md: plan.toml says what is trained, measured.json what came of it.

`plan` reads the plan, `runs` trains and measures, `tables` writes the document.
"""
