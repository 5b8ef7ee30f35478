"""The only package that joins the rooms: a recipe's stages, and how they follow each other."""
