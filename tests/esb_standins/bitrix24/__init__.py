"""A Bitrix24 portal on loopback: classic REST, funnels, user fields and outgoing webhooks that are sent once."""
