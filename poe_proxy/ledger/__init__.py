"""What each request cost, to the point: rows, their settling, the database that keeps them."""
