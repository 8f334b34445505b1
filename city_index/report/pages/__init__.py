"""The pages of an edition: for each kind what its template is given."""
