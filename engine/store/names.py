"""Names that people can say for runs: "jolly-lynx-42"."""

from __future__ import annotations

import random

_ADJECTIVES = """
able airy amber ample azure bold brave breezy bright brisk calm candid cheery civil clear clever cosy crisp curious dapper
daring deft eager early easy fair fancy fleet fond frank fresh gentle giddy glad golden grand happy hardy hasty honest humble
jolly keen kind lively loyal lucid lucky lunar mellow merry mild modest nimble noble patient plucky polite prime proud quick
quiet rapid ready royal rustic sage serene sharp shiny silent silver sleek snug solar solid spry steady sunny swift tender
tidy tranquil trusty vivid warm wise witty zesty
"""

_ANIMALS = """
adder alpaca ant badger bat bear beaver bee bison boar camel carp cat cheetah cobra condor coyote crab crane crow deer dingo
dolphin dove duck eagle eel egret elk emu falcon ferret finch fox frog gecko gibbon goat goose grouse gull hare hawk hedgehog
heron hippo horse hyena ibex ibis iguana jackal jay koala lark lemur lion llama lobster lynx magpie marmot marten mole moose
moth mouse newt ocelot octopus orca osprey otter owl ox panda panther parrot pelican penguin pike pony puffin puma quail rabbit
ram raven robin salmon seal shark shrew skunk sloth sparrow squid stoat stork swan tapir tern tiger toad trout turtle viper
vole walrus weasel whale wolf wombat wren yak zebra
"""


def propose() -> str:
    """A random name; the store makes sure that no two runs bear the same one."""
    # Not the global generator: making a run must not move anybody's seeded stream.
    draw = random.SystemRandom()
    return f"{draw.choice(_ADJECTIVES.split())}-{draw.choice(_ANIMALS.split())}-{draw.randint(1, 99)}"
