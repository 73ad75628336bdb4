"""Event notification (RFC 6665) and publication (RFC 3903)."""
