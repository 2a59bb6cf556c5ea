"""Guarantee reports: what a DIR or a RUN proves, as pages and JSON that can be checked later.

DIR or RUN --evidence--> copied files and items --recheck--> items with the checker's answers
--document--> report.json --words--> frozen rows --page--> HTML; SARIF, JUnit, in-toto
"""
