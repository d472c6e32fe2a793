"""Lines and branches of the contracts that the tests reach: from traces of calls, through solc's source maps."""
