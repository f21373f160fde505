"""What this computer can do: the standard library alone, so that it runs where all else is missing or broken."""
