"""Generators of synthetic sample records: registers of hospitals and evidence about cities, none of it real.

The cities are real; every hospital, vendor, district and publisher is made up and is called 示例 (sample). Nothing here
may be read as a fact about a city.
"""
