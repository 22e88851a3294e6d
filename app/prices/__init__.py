"""What tokens cost: prices from the configuration or from the catalogue that comes with LiteLLM, in US dollars.

cost ........ a model's price, by tiers, and what an attempt's tokens cost at it
fields ...... LiteLLM's names for prices, read into a `Cost`
billed ...... what a provider itself says that an answer cost
catalogue ... the price of a provider's model, looked up as LiteLLM does
table ....... LiteLLM's table of models, read from its file without importing it
"""

from app.prices.billed import billed_dollars
from app.prices.catalogue import catalogue_name, listed_cost
from app.prices.cost import Bracket, Cost, Rates
from app.prices.fields import cost_of, is_price

__all__ = ["Bracket", "Cost", "Rates", "billed_dollars", "catalogue_name", "cost_of", "is_price", "listed_cost"]
