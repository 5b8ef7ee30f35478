"""The one data type of the project, and how it is stored."""
