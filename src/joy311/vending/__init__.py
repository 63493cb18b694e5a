"""The point of sale.

Money, tariff, sale, receipt and registration are rules without I/O, clock or chance; service, store, security
module and API are their shell.
"""
