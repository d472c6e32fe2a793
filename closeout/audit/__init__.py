"""What an auditor runs beside the tests: mutation, coverage, and the table that says what checked what."""
