"""Payments that payment systems tell of: whose signature it is, and what the event says. Pure."""

from collections.abc import Mapping

from gateway.incoming import lago, standard, stripe
from gateway.incoming.base import Kind, Reader

READERS: Mapping[Kind, Reader] = {
    Kind.STRIPE: stripe.Stripe(),
    Kind.LAGO: lago.Lago(),
    Kind.STANDARD: standard.Standard(),
}
