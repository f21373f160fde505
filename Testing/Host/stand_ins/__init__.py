"""Stand-ins for the ctk and qMRML widgets. Each offers only names that the real class offers: a test compares."""
