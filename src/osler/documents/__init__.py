"""Documents as pages of blocks: PDF, HTML, Markdown and plain text, in reading order, with what each block is."""
