"""Records to training set: clean, de-identify, filter, remove duplicates and benchmark text, mix, split.

`curate.curate` runs the steps in order and writes the stage's files. The steps are plain functions, one file each: those that
look at one record at a time are `Step`s over Arrow batches, those that look at the whole set work on `Key`s. `plain_rows.dedupe_rows`
does the part of it that plain rows need. Nothing is imported here: a worker process loads what its function needs.
"""
