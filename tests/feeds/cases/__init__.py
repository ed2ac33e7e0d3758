"""A good small file of every feed, with what it says: `test_contract` spoils it in every way that it knows of."""
