"""How the service calls the database."""
