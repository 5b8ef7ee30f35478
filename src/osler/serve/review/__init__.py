"""The page on which clinicians rate answers: one deck a person, no arms, every save on the disk before it is confirmed.

Importing this package brings no web framework; `run.serve_review` and `app` need the `serve` extra.
"""
