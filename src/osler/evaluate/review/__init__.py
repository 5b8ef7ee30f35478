"""Blinded expert review: which answers are shown to whom, what the raters said, how far they agree, what goes back to curation.

The page itself is `osler.serve.review`; it knows decks and ratings, and nothing of arms.
"""
