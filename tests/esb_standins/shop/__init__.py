"""A WooCommerce-like shop on loopback: REST v3, signed webhooks that are sent once, and a sender for any other site."""
