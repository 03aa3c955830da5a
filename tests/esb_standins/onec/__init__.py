"""The 1C base stand-in: the standard OData interface (version 3, JSON) of four configurations."""
