"""Bitrix24: deals become orders, outcomes and payments become fields and comments of the deal."""
