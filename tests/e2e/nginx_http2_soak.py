"""A hundred thousand events to an unmodified nginx in bursts of ten thousand, reloaded in each second of them: none fails."""
from nginx_bursts import *

story(lambda folder: bursts(folder, [10_000] * 10))
