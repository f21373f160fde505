"""Any gradient table in, fixed features out."""
