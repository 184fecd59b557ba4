"""A few thousand events to an unmodified nginx over several ends of its connections, and reloads: each try is delivered, once."""
from nginx_bursts import *

story(lambda folder: bursts(folder, [4000, 3000]))
