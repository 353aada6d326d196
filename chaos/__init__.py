"""What happens when things are killed under load: `make chaos`, and an audit of every answer that was given."""
