"""How many articles go into one request."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from esb_adapters.onec.resolve import BATCH, BATCH_BYTES, batches


@given(st.lists(st.text(min_size=1, max_size=50), max_size=80))
def test_batches_hold_everything_in_order_and_fit_a_query(articles):
    split = list(batches(articles))

    assert [article for batch in split for article in batch] == articles
    assert all(len(batch) <= BATCH for batch in split)
    assert all(len(batch) == 1 or sum(len(quote(article)) for article in batch) <= BATCH_BYTES for batch in split)
