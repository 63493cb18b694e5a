"""How each clause is examined on the whole meter, and on any device that takes tokens."""

from joy311.bench.examinations.general import GENERAL
from joy311.bench.examinations.payment import PAYMENT
from joy311.bench.examinations.token_judging import TOKEN_JUDGING

__all__ = ["GENERAL", "PAYMENT", "TOKEN_JUDGING"]
