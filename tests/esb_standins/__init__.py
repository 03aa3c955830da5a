"""Stand-ins of the outside systems (1C bases, a Bitrix24 portal, a shop) over real HTTP on loopback."""
