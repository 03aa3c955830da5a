"""Stand-ins of the outside systems: 1C bases, a Bitrix24 portal and a shop, served over real HTTP on loopback."""
