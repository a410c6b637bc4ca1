"""A submission or a whole class: reports, tables, feedback pages."""
